// What is picked: a place on the map, a grid, a building, a sponsor or a report, as it was answered,
// and drawn on the map.

import type { Feature, Geometry } from "geojson";
import { watch } from "vue";
import {
  BuildingPlaceDocument,
  type Datum,
  GridPlaceByCodeDocument,
  LocatePointDocument,
  ReportPlaceDocument,
  SponsorPlaceDocument,
} from "../lib/gql/graphql";
import { type Bounds, around, boundsOf } from "../lib/map";
import type { Position } from "../lib/earth";
import { map } from "./DeskMap";
import { askAsMe, useAnswer } from "./answers";
import { draw, feature } from "./overlays";
import { type PanelName, type Pick, view } from "./view";

/** Shows the place in the panel; the map goes there where it was found in another way than on it. */
export function pick(what: Pick | null, goes = false, panel: PanelName = "place"): void {
  isToGo = goes;
  view.pick = what;
  view.panel = panel;
}

let isToGo = false;

/** The place of coordinates of a datum, in WGS 84. Throws Refused. */
export async function placeOf([longitude, latitude]: Position, datum: Datum): Promise<Position> {
  if (datum === "WGS84") return [longitude, latitude];
  const { locate } = await askAsMe(LocatePointDocument, { point: { longitude, latitude, datum } });
  return [locate.point.longitude, locate.point.latitude];
}

async function read({ pick: what, on }: { pick: Pick; on: string }) {
  const day = on || null;
  if (what.kind === "point") {
    const [longitude, latitude] = what.at;
    const point = { longitude, latitude, datum: "WGS84" as const };
    const { locate } = await askAsMe(LocatePointDocument, { point, on: day });
    return { kind: what.kind, at: what.at, found: locate };
  }
  const { kind, code } = what;
  if (kind === "grid") {
    return { kind, code, found: (await askAsMe(GridPlaceByCodeDocument, { code, on: day })).grid };
  }
  if (kind === "building") {
    return { kind, code, found: (await askAsMe(BuildingPlaceDocument, { code, on: day })).building };
  }
  if (kind === "sponsor") {
    return { kind, code, found: (await askAsMe(SponsorPlaceDocument, { code, on: day })).sponsor };
  }
  const { reports } = await askAsMe(ReportPlaceDocument, { filter: { number: code } });
  return { kind, code, found: reports.nodes[0] };
}

export type Place = Awaited<ReturnType<typeof read>>;

let told: ReturnType<typeof make> | undefined;

/** What is picked: asked for once for all of the page. */
export function usePlace(): ReturnType<typeof make> {
  told ??= make();
  return told;
}

function make() {
  const answer = useAnswer(() => (view.pick ? { pick: view.pick, on: view.on } : null), read);
  watch(answer.data, (place) => {
    const features = place ? shapes(place) : [];
    draw("picked", features);
    if (place && isToGo) goTo(boundsOf(features.map(({ geometry }) => geometry)));
    isToGo = false;
  });
  return answer;
}

/** Brings these bounds into view, and at least 200 metres of ground; once the map is there. */
export function goTo(bounds: Bounds | null): void {
  if (!bounds) return;
  if (!map.value) {
    watch(map, () => goTo(bounds), { once: true });
    return;
  }
  const [west, south, east, north] = bounds;
  const least = around([(west + east) / 2, (south + north) / 2], 100);
  map.value.fitBounds(
    [
      Math.min(west, least[0]),
      Math.min(south, least[1]),
      Math.max(east, least[2]),
      Math.max(north, least[3]),
    ],
    { padding: 64, maxZoom: 17 },
  );
}

function shapes(place: Place): Feature[] {
  const found = place.found;
  if (place.kind === "point") {
    const grids = place.found.candidates.length > 1 ? place.found.candidates.map(({ grid }) => grid) : [place.found.grid];
    return [
      ...grids.flatMap((grid) => (grid ? [feature(grid.boundary)] : [])),
      ...(place.found.building ? [feature(place.found.building.location)] : []),
      feature(pointAt(place.at), { role: "point" }),
    ];
  }
  if (!found) return [];
  if ("boundary" in found) return [feature(found.boundary)];
  if ("hull" in found) {
    return [
      ...(found.hull ? [feature(found.hull.outline, { role: "other" })] : []),
      ...found.buildings.nodes.map(({ location }) => feature(location, { role: "many" })),
    ];
  }
  return "location" in found ? [feature(found.location as Geometry)] : [];
}

function pointAt([longitude, latitude]: Position): Geometry {
  return { type: "Point", coordinates: [longitude, latitude] };
}
