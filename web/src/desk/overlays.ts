// What is asked by GraphQL and drawn on the map: what nobody covers, where reports are, names, and
// what is picked. Each is asked for while it is shown; one that cannot be had leaves the others.

import type { Feature, FeatureCollection, Geometry } from "geojson";
import type { GeoJSONSource, Map as MapLibre } from "maplibre-gl";
import { reactive, shallowReactive, shallowRef, watch, watchEffect } from "vue";
import type { Refused } from "../lib/api";
import {
  ClustersDocument,
  GapsDocument,
  GridsWithoutSponsorDocument,
  GridsWithoutWorkerDocument,
  HotspotsDocument,
  NamesDocument,
  OverlapsDocument,
  ReportsByGridDocument,
} from "../lib/gql/graphql";
import { type Bounds, boundsOf } from "../lib/map";
import { onMap, styled } from "./DeskMap";
import { allPages, askAsMe, useAnswer } from "./answers";
import { filter, regionFilter } from "./filter";
import { mapIsOf } from "./session";
import { DRAWN, type Drawn, SINGLE_ZOOM } from "./style";
import { type LayerName, hasLayer, view } from "./view";

/** Why a layer could not be had, and how to ask again. */
export const troubles = shallowReactive<Partial<Record<LayerName | "colour", { of: Refused; again: () => void }>>>({});
/** How many there are of what is counted in the legend; null while that is asked for. */
export const counts = reactive<Counts>({});
/** The least and the most reports of a grid in each step of colour. */
export const steps = shallowRef<[number, number][]>([]);
/** Counts up when reports are to be asked for anew. */
export const news = shallowRef(0);
/** What the map shows: west, south, east, north and zoom; null until it is there. */
export const seen = shallowRef<{ bounds: Bounds; zoom: number } | null>(null);

type Counts = Partial<Record<LayerName | "worker" | "sponsor", number | null>>;

const drawn = new Map<Drawn, FeatureCollection>();

/** Draws these features, in this style and the next. */
export function draw(name: Drawn, features: Feature[]): void {
  drawn.set(name, { type: "FeatureCollection", features });
  const made = styled();
  if (made) show(made, name);
}

function show(onto: MapLibre, name: Drawn): void {
  const data = drawn.get(name);
  if (data) (onto.getSource(name) as GeoJSONSource | undefined)?.setData(data);
}

export function feature(geometry: Geometry, properties: Record<string, unknown> = {}): Feature {
  return { type: "Feature", geometry, properties };
}

/** Asks and draws from now on. Call it once, where a component is set up. */
export function startOverlays(): void {
  onMap((made) => {
    for (const name of DRAWN) show(made, name);
    colour(made);
  });

  const inRegion = (layer: LayerName) => () =>
    hasLayer(layer) && view.region ? { region: view.region, on: view.on || null } : null;

  overlay(
    "gaps",
    inRegion("gaps"),
    async (asked) => {
      const nodes = await allPages(GapsDocument, asked, (data) => data.coverage.list);
      return nodes.map(({ outline, ...words }) => feature(outline, words));
    },
    (found) => ({ gaps: found.length }),
  );
  overlay(
    "overlaps",
    inRegion("overlaps"),
    async (asked) => {
      const nodes = await allPages(OverlapsDocument, asked, (data) => data.coverage.list);
      return nodes.map(({ outline, area }) => feature(outline, { area }));
    },
    (found) => ({ overlaps: found.length }),
  );
  overlay(
    "lacks",
    inRegion("lacks"),
    async (asked) => {
      const [worker, sponsor] = await Promise.all([
        allPages(GridsWithoutWorkerDocument, asked, (data) => data.coverage.list),
        allPages(GridsWithoutSponsorDocument, asked, (data) => data.coverage.list),
      ]);
      return [
        ...worker.map(({ boundary, code }) => feature(boundary, { code, lack: "worker" })),
        ...sponsor.map(({ boundary, code }) => feature(boundary, { code, lack: "sponsor" })),
      ];
    },
    (found) => {
      const worker = found.filter(({ properties }) => properties?.lack === "worker").length;
      return { worker, sponsor: found.length - worker };
    },
  );
  overlay(
    "hotspots",
    () =>
      hasLayer("hotspots") && view.region
        ? { region: view.region, filter: filter.value, isPublic: isPublic(), news: news.value }
        : null,
    async ({ region, filter: of, isPublic: all }) => {
      const { hotspots } = await askAsMe(HotspotsDocument, { region, filter: of }, all);
      return hotspots.map(({ outline, count }) => feature(outline, { count }));
    },
  );
  overlay(
    "clusters",
    () =>
      hasLayer("clusters") && seen.value
        ? {
            ...asked(seen.value, isSingle(seen.value.zoom)),
            filter: filter.value,
            isPublic: isPublic(),
            news: news.value,
          }
        : null,
    async ({ bounds, zoom, filter: of, isPublic: all }) => {
      const { reportClusters } = await askAsMe(ClustersDocument, { bounds, zoom, filter: of }, all);
      return reportClusters.map(({ location, count, key }) => feature(location, { count, key }));
    },
    // As many as the circles add up to that are seen.
    (found) => ({
      clusters: found
        .filter(({ geometry }) => isSeen(geometry))
        .reduce((sum, { properties }) => sum + Number(properties?.count), 0),
    }),
  );
  overlay(
    "names",
    () => {
      if (!seen.value || seen.value.zoom < 12.5) return null;
      return { bounds: asked(seen.value).bounds, on: view.on || null };
    },
    async (wanted) => namesOf(await allPages(NamesDocument, wanted, (data) => data.grids)),
  );

  const byGrid = useAnswer(
    () =>
      view.colour === "reports" && view.region ? { filter: regionFilter.value, news: news.value } : null,
    async ({ filter: of }) => (await askAsMe(ReportsByGridDocument, { filter: of })).reportFigures,
  );
  watch([byGrid.data, byGrid.refused], ([figures, refused]) => {
    if (refused) troubles.colour = { of: refused, again: byGrid.again };
    else delete troubles.colour;
    shares = new Map(
      (figures ?? []).flatMap(({ grid, received }) => (grid ? [[grid.code, received] as const] : [])),
    );
    const made = styled();
    if (made) colour(made);
  });
}

function overlay<Question>(
  name: Drawn & (LayerName | "names"),
  question: () => Question | null,
  read: (question: Question) => Promise<Feature[]>,
  count: (features: Feature[]) => Counts = () => ({}),
): void {
  const { data, isBusy, refused, again } = useAnswer(question, read);
  watch([data, refused], ([features, why]) => {
    if (name !== "names") {
      if (why) troubles[name] = { of: why, again };
      else delete troubles[name];
    }
    draw(name, features ?? []);
  });
  watchEffect(() => {
    const now = count(data.value ?? []);
    for (const each of Object.keys(now) as (keyof Counts)[]) {
      if (isBusy.value) counts[each] = null;
      else if (data.value) counts[each] = now[each];
      else delete counts[each];
    }
  });
}

/** Whether the map is the public's. Whoever signs in may look at it still: it tells them no more. */
function isPublic(): boolean {
  return mapIsOf.value === "public";
}

/** Whether reports are drawn one by one at this zoom, and the same in clusters are not. */
export function isSingle(zoom: number): boolean {
  return zoom >= SINGLE_ZOOM && hasLayer("reports") && !isPublic();
}

function isSeen(geometry: Geometry): boolean {
  if (!seen.value || geometry.type !== "Point") return false;
  const [west, south, east, north] = seen.value.bounds;
  const [x = NaN, y = NaN] = geometry.coordinates;
  return west <= x && x <= east && south <= y && y <= north;
}

// Bounds are asked for a little wider and rounded, so that a small movement asks nothing new; or
// exactly, where what is asked for is counted and not drawn.
function asked({ bounds: [west, south, east, north], zoom }: NonNullable<typeof seen.value>, isExact = false) {
  const step = 360 / 2 ** (Math.round(zoom) + 2);
  const least = (each: number) => (isExact ? each : Math.floor(each / step - 0.5) * step);
  const most = (each: number) => (isExact ? each : Math.ceil(each / step + 0.5) * step);
  return {
    bounds: {
      west: Math.max(-180, least(west)),
      south: Math.max(-90, least(south)),
      east: Math.min(180, most(east)),
      north: Math.min(90, most(north)),
    },
    zoom: Math.min(24, Math.max(0, Math.round(zoom))),
  };
}

interface NamedGrid {
  code: string;
  name: string;
  boundary: Geometry;
  community: { code: string; name: string };
}

// Grids are named in the middle of their box, communities in the middle of their grids'.
function namesOf(grids: NamedGrid[]): Feature[] {
  const communities = new Map<string, { name: string; boundaries: Geometry[] }>();
  const features = grids.map(({ name, boundary, community }) => {
    const of = communities.get(community.code) ?? { name: community.name, boundaries: [] };
    of.boundaries.push(boundary);
    communities.set(community.code, of);
    // The community is named once for all of its grids.
    const short = name.startsWith(community.name) ? name.slice(community.name.length) : name;
    return feature(middle([boundary]), { kind: "grid", name: short || name });
  });
  for (const { name, boundaries } of communities.values()) {
    features.push(feature(middle(boundaries), { kind: "community", name }));
  }
  return features;
}

function middle(geometries: Geometry[]): Geometry {
  const [west, south, east, north] = boundsOf(geometries) ?? [0, 0, 0, 0];
  return { type: "Point", coordinates: [(west + east) / 2, (south + north) / 2] };
}

let shares = new Map<string, number>();

// Half of the grids are in the first step, and fewer in each that follows, as far as their numbers
// differ: few grids have many reports.
const SHARES = [0, 0.5, 0.75, 0.9, 0.97] as const;

function colour(onto: MapLibre): void {
  const source = { source: "grids", sourceLayer: "grids" };
  if (onto.getSource("grids")) onto.removeFeatureState(source);
  const sorted = [...shares.values()].sort((one, other) => one - other);
  const limits = [...new Set(SHARES.map((share) => sorted[Math.floor(share * sorted.length)] ?? 0))];
  const most = sorted.at(-1) ?? 0;
  steps.value = most ? limits.map((least, i) => [least, (limits[i + 1] ?? most + 1) - 1]) : [];
  for (const [code, received] of shares) {
    // Counted from 1: MapLibre forgets a state of 0 when it is set anew.
    const step = limits.findLastIndex((least) => received >= least) + 1;
    onto.setFeatureState({ ...source, id: code }, { step });
  }
}
