// Which colour is whose: of buildings by management, or by sponsor.

import { computed, shallowRef, watch } from "vue";
import { RegionSponsorsDocument } from "../lib/gql/graphql";
import { allPages, useAnswer } from "./answers";
import { i18n } from "./language";
import { isSingle, steps } from "./overlays";
import { COLOURS, MODES, PATTERNS, type Pattern, STEPS, URGENCIES } from "./palette";
import { mapIsOf } from "./session";
import { modeColours } from "./style";
import { theme } from "./theme";
import { hasLayer, view } from "./view";

interface Sponsor {
  code: string;
  name: string;
  buildingCount: number;
}

/** The sponsors with the most buildings in the region, for whom there are colours. */
export const largestSponsors = shallowRef<Sponsor[]>([]);
/** How many others there are. */
export const otherSponsors = shallowRef(0);

/** Of the values of the field that buildings are coloured by. */
export const buildingColours = computed<[string, string][]>(() =>
  view.buildings === "mode"
    ? modeColours(theme.value)
    : largestSponsors.value.map(({ code }, i) => [code, COLOURS[theme.value].sponsors[i] ?? ""]),
);

/** Keeps the sponsors those of the region. Call it once, where a component is set up. */
export function startLegend(): void {
  const { data } = useAnswer(
    () =>
      view.buildings === "sponsor" && hasLayer("buildings") && view.region
        ? { region: view.region, on: view.on || null }
        : null,
    (asked) => allPages(RegionSponsorsDocument, asked, (answer) => answer.sponsors),
  );
  watch(data, (sponsors) => {
    const sorted = [...(sponsors ?? [])]
      .filter(({ buildingCount }) => buildingCount > 0)
      .sort((one, other) => other.buildingCount - one.buildingCount);
    largestSponsors.value = sorted.slice(0, COLOURS.light.sponsors.length);
    otherSponsors.value = sorted.length - largestSponsors.value.length;
  });
}

/** A line of the legend. `shape` is as `Swatch` draws it. */
export interface Key {
  shape: "area" | "line" | "dot" | Pattern;
  colour: string;
  text: string;
}

/** All that the map shows now, for a picture of it. */
export function keys(): Key[] {
  const { t } = i18n.global;
  const c = COLOURS[theme.value];
  const found: Key[] = [];
  const whose = mapIsOf.value === "own" ? t("layers.ofMine") : "";
  const add = (shape: Key["shape"], colour: string, text: string) => found.push({ shape, colour, text });
  if (hasLayer("regions")) add("line", c.border, t("layers.regions"));
  if (hasLayer("grids")) add("line", c.line, t("layers.grids"));
  if (hasLayer("grids") && view.colour === "reports") {
    steps.value.forEach(([least, most], i) =>
      add("area", STEPS[i] ?? "", t("layers.ofReports", { n: least === most ? `${least}` : `${least}–${most}` })),
    );
  }
  if (hasLayer("buildings") && view.buildings === "mode") {
    for (const mode of MODES) add("dot", c.modes[mode], t(`modes.${mode}`));
  } else if (hasLayer("buildings")) {
    largestSponsors.value.forEach(({ name }, i) => add("dot", c.sponsors[i] ?? c.other, name));
    if (otherSponsors.value) add("dot", c.other, t("layers.otherSponsors", { n: otherSponsors.value }));
  }
  if (hasLayer("gaps")) add(PATTERNS.gaps, c.gap, t("layers.gaps"));
  if (hasLayer("overlaps")) add(PATTERNS.overlaps, c.overlap, t("layers.overlaps"));
  if (hasLayer("lacks")) {
    add(PATTERNS.worker, c.lack, t("layers.withoutWorker"));
    add(PATTERNS.sponsor, c.lack, t("layers.withoutSponsor"));
  }
  if (isSingle(view.zoom)) {
    for (const [urgency, colour] of URGENCIES) add("dot", colour, t("layers.singleOf", { urgency: t(`urgencies.${urgency}`) }));
  } else if (hasLayer("clusters")) add("dot", c.cluster, t("layers.clusters") + whose);
  if (hasLayer("hotspots")) add("area", c.hotspot, t("layers.hotspots") + whose);
  return found;
}
