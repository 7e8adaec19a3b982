// What the map looks like: our layers, below what people choose, in light and in dark.

import type {
  DataDrivenPropertyValueSpecification as Value,
  ExpressionSpecification as Expression,
  LayerSpecification,
  SourceSpecification,
  StyleSpecification,
} from "maplibre-gl";
import { base } from "../lib/api";
import { textImage } from "./images";
import { COLOURS, MODES, PATTERNS, STEPS, URGENCIES } from "./palette";
import type { Theme } from "./theme";
import type { LayerName } from "./view";

/** The lowest of our layers but the ground. */
export const LOWEST = "grids-areas";

/** Our sources that are drawn from what is asked by GraphQL. */
export const DRAWN = ["gaps", "overlaps", "lacks", "hotspots", "clusters", "names", "picked"] as const;
export type Drawn = (typeof DRAWN)[number];

const TILES = {
  regions: { id: "code", first: 4 },
  grids: { id: "code", first: 8 },
  buildings: { id: "code", first: 12 },
  reports: { id: "number", first: 14 },
} as const;
export type Tiled = keyof typeof TILES;

/** From where on reports are drawn one by one. */
export const SINGLE_ZOOM = 15;

/** Of the ids of our layers, those that belong to what people switch on and off. */
export const SWITCHED: Record<LayerName, readonly string[]> = {
  regions: ["regions-outlines", "communities-names"],
  grids: ["grids-areas", "grids-outlines", "grids-names"],
  buildings: ["buildings-footprints", "buildings-points"],
  gaps: ["gaps-areas", "gaps-outlines"],
  overlaps: ["overlaps-areas", "overlaps-outlines"],
  lacks: ["lacks-areas", "lacks-outlines"],
  clusters: ["clusters-circles", "clusters-counts"],
  hotspots: ["hotspots-areas", "hotspots-outlines"],
  reports: ["reports-circles"],
};

/** The address of a layer's tiles, with parameters. */
export function tileAddress(name: Tiled, parameters: Record<string, string>): string {
  const query = new URLSearchParams(parameters).toString();
  return `${base.href}tiles/${name}/{z}/{x}/{y}.mvt${query && "?"}${query}`;
}

/** The colour by a field that has these values; another one for the others. */
export function colouredBy(field: string, colours: readonly (readonly [string, string])[], other: string): Value<string> {
  if (colours.length === 0) return other;
  return ["match", ["get", field], ...colours.flat(), other] as unknown as Expression;
}

/** How much a grid's plain colour covers of what lies below it. */
export function coveringOf(hasBasemap: boolean): Value<number> {
  return [
    "case",
    [">", ["coalesce", ["feature-state", "step"], 0], 0],
    0.9,
    hasBasemap ? 0.05 : 0.9,
  ] as unknown as Expression;
}

/** The whole style. `tiles`: the parameters of each layer's tiles. */
export function styleOf(theme: Theme, tiles: Record<Tiled, Record<string, string>>): StyleSpecification {
  const c = COLOURS[theme];
  const sources: Record<string, SourceSpecification> = {};
  for (const [name, { id, first }] of Object.entries(TILES) as [Tiled, { id: string; first: number }][]) {
    sources[name] = {
      type: "vector",
      tiles: [tileAddress(name, tiles[name])],
      minzoom: first,
      maxzoom: 16,
      promoteId: id,
    };
  }
  for (const name of DRAWN) {
    sources[name] = { type: "geojson", data: { type: "FeatureCollection", features: [] } };
  }
  return {
    version: 8,
    sources,
    layers: [
      { id: "ground", type: "background", paint: { "background-color": c.ground } },
      tiled("grids", "areas", {
        type: "fill",
        paint: {
          "fill-color": [
            "match",
            ["coalesce", ["feature-state", "step"], 0],
            ...STEPS.flatMap((colour, i) => [i + 1, colour]),
            c.land,
          ] as unknown as Expression,
          "fill-opacity": coveringOf(false),
        },
      }),
      tiled("grids", "outlines", {
        type: "line",
        paint: { "line-color": c.line, "line-width": byZoom(8, 0.3, 16, 1.6) },
      }),
      tiled("regions", "outlines", {
        type: "line",
        layout: { "line-join": "round" },
        paint: {
          "line-color": c.border,
          "line-width": [
            "match",
            ["get", "level"],
            ["PROVINCE", "CITY"],
            3,
            "DISTRICT",
            2.4,
            "STREET",
            1.8,
            1.1,
          ],
        },
      }),
      ...areas("hotspots", {
        fill: { "fill-color": c.hotspot, "fill-opacity": 0.28 },
        line: { "line-color": c.hotspot, "line-width": 2, "line-dasharray": [3, 1.5] },
      }),
      ...areas("lacks", {
        fill: {
          "fill-pattern": [
            "match",
            ["get", "lack"],
            "worker",
            `${PATTERNS.worker}:${c.lack}`,
            `${PATTERNS.sponsor}:${c.lack}`,
          ],
          "fill-opacity": 0.45,
        },
        line: { "line-color": c.lack, "line-width": 1.5, "line-dasharray": [2, 1.5] },
      }),
      ...areas("gaps", {
        fill: { "fill-pattern": `${PATTERNS.gaps}:${c.gap}` },
        line: { "line-color": c.gap, "line-width": 2 },
      }),
      ...areas("overlaps", {
        fill: { "fill-pattern": `${PATTERNS.overlaps}:${c.overlap}` },
        line: { "line-color": c.overlap, "line-width": 2 },
      }),
      tiled("buildings", "footprints", {
        type: "fill",
        filter: ["==", ["geometry-type"], "Polygon"],
        paint: { "fill-color": c.other, "fill-opacity": 0.85, "fill-outline-color": c.halo },
      }),
      tiled("buildings", "points", {
        type: "circle",
        filter: ["==", ["geometry-type"], "Point"],
        paint: {
          "circle-color": c.other,
          "circle-radius": byZoom(12, 1.8, 17, 7),
          "circle-stroke-color": c.halo,
          "circle-stroke-width": byZoom(12, 0.3, 15, 1.2),
        },
      }),
      {
        id: "picked-areas",
        type: "fill",
        source: "picked",
        filter: ["==", ["geometry-type"], "Polygon"],
        paint: { "fill-color": c.pick, "fill-opacity": ["match", ["get", "role"], "other", 0.06, 0.14] },
      },
      {
        id: "picked-outlines",
        type: "line",
        source: "picked",
        filter: ["!=", ["geometry-type"], "Point"],
        layout: { "line-join": "round" },
        paint: {
          "line-color": c.pick,
          "line-width": ["match", ["get", "role"], "other", 1.5, 3],
        },
      },
      tiled("reports", "circles", {
        type: "circle",
        minzoom: SINGLE_ZOOM,
        paint: {
          "circle-color": colouredBy("urgency", URGENCIES, URGENCIES[2][1]),
          "circle-radius": ["match", ["get", "urgency"], "EMERGENCY", 8, "URGENT", 6.5, 5.5],
          "circle-stroke-color": ["case", ["get", "overdue"], c.text, c.halo],
          "circle-stroke-width": ["case", ["get", "overdue"], 2.5, 1.5],
        },
      }),
      names("communities-names", "community", 12.5, 15.2),
      names("grids-names", "grid", 15.2, 24),
      {
        id: "clusters-circles",
        type: "circle",
        source: "clusters",
        paint: {
          "circle-color": c.cluster,
          "circle-opacity": 0.92,
          "circle-radius": ["interpolate", ["linear"], ["log10", ["get", "count"]], 0, 9, 1, 14, 4, 32],
          "circle-stroke-color": c.halo,
          "circle-stroke-width": 1.5,
        },
      },
      {
        id: "clusters-counts",
        type: "symbol",
        source: "clusters",
        filter: [">", ["get", "count"], 1],
        layout: {
          "icon-image": textImage("count", "count") as unknown as Expression,
          "icon-allow-overlap": true,
        },
      },
      {
        id: "picked-points",
        type: "circle",
        source: "picked",
        filter: ["==", ["geometry-type"], "Point"],
        paint: {
          "circle-color": ["match", ["get", "role"], "point", c.pick, "rgba(0,0,0,0)"],
          "circle-radius": ["match", ["get", "role"], "point", 7, "many", 6, 11],
          "circle-stroke-color": ["match", ["get", "role"], "point", c.halo, c.pick],
          "circle-stroke-width": ["match", ["get", "role"], "many", 2, 3],
        },
      },
    ],
  };
}

/** Buildings by how they are managed, as `colouredBy` takes them. */
export function modeColours(theme: Theme): [string, string][] {
  return MODES.map((mode) => [mode, COLOURS[theme].modes[mode]]);
}

function tiled(name: Tiled, what: string, layer: object): LayerSpecification {
  return { id: `${name}-${what}`, source: name, "source-layer": name, ...layer } as LayerSpecification;
}

function areas(name: Drawn, { fill, line }: { fill: object; line: object }): LayerSpecification[] {
  return [
    { id: `${name}-areas`, type: "fill", source: name, paint: fill } as LayerSpecification,
    {
      id: `${name}-outlines`,
      type: "line",
      source: name,
      layout: { "line-join": "round" },
      paint: line,
    } as LayerSpecification,
  ];
}

function names(id: string, kind: "grid" | "community", first: number, last: number): LayerSpecification {
  return {
    id,
    type: "symbol",
    source: "names",
    minzoom: first,
    maxzoom: last,
    filter: ["==", ["get", "kind"], kind],
    layout: {
      "icon-image": textImage(kind, "name") as unknown as Expression,
      "icon-padding": 4,
    },
  };
}

function byZoom(zoom: number, value: number, lastZoom: number, last: number): Expression {
  return ["interpolate", ["linear"], ["zoom"], zoom, value, lastZoom, last];
}
