// The region whose figures are told, with those above it. Where none was chosen, it is the topmost
// that has more than one below it.

import { computed, watch } from "vue";
import type { Geometry } from "geojson";
import { RegionPathDocument, type RegionPathQuery, TopRegionsDocument } from "../lib/gql/graphql";
import { askAsMe, useAnswer } from "./answers";
import { boundsOf } from "../lib/map";
import { goTo } from "./place";
import { view } from "./view";

type Named = Pick<NonNullable<RegionPathQuery["region"]>, "code" | "name" | "level">;

let told: ReturnType<typeof make> | undefined;

/** The region: asked for once for all of the page. Call it first where a component is set up. */
export function useRegion(): ReturnType<typeof make> {
  told ??= make();
  return told;
}

function make() {
  const answer = useAnswer(
    () => view.region || null,
    async (code) => (await askAsMe(RegionPathDocument, { code })).region ?? null,
  );
  const path = computed<Named[]>(() => {
    const found: Named[] = [];
    let each = answer.data.value as (Named & { parent?: unknown }) | null | undefined;
    while (each) {
      found.unshift(each);
      each = each.parent as (Named & { parent?: unknown }) | null | undefined;
    }
    return found;
  });
  const region = computed<Named | null>(() => path.value.at(-1) ?? null);
  const outline = computed<Geometry | null>(() => answer.data.value?.boundary ?? null);
  watch(outline, (now) => {
    if (isToGo && now) goTo(boundsOf([now]));
    isToGo = false;
  });
  watch(
    () => view.region,
    async (code) => {
      if (!code) view.region = (await usual().catch(() => "")) || view.region;
    },
    { immediate: true },
  );
  return { region, path, outline, refused: answer.refused };
}

/** Shows the region's figures, and the region on the map. */
export function goToRegion(code: string): void {
  isToGo = true;
  view.region = code;
  view.panel = "figures";
}

let isToGo = false;

async function usual(): Promise<string> {
  let { regions } = (await askAsMe(TopRegionsDocument, {})) as { regions: Tree[] };
  let code = "";
  while (regions.length === 1 && regions[0]) {
    code = regions[0].code;
    regions = regions[0].children ?? [];
  }
  return code;
}

interface Tree {
  code: string;
  children?: Tree[];
}
