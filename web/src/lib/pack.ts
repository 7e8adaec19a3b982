// A district's grids in the phone: which of them holds a point, without the network.
//
// The outlines are simplified. `error` says by how much at most, in metres: whoever is farther than
// that from every line here is in the same grid by the true outlines. Nearer than that, or than the
// position is sure, the answer is UNCERTAIN.

import type { MultiPolygon } from "geojson";
import { type Position, metresPerDegree, metresToStretch } from "./earth.ts";

/** As the server sends it. Rings are micro-degrees: x, y, and then steps from corner to corner. */
export interface Pack {
  format: 1;
  district: string;
  name: string;
  version: string;
  day: string;
  error: number;
  grids: PackedGrid[];
}

export interface PackedGrid {
  code: string;
  name: string;
  community: string;
  workers: string[];
  polygons: number[][][];
}

/** What has changed since a pack that the phone has. */
export interface PackChange extends Pack {
  since: string;
  gone: string[];
}

export interface PackAnswer {
  outcome: "INSIDE" | "UNCERTAIN" | "OUTSIDE";
  grid: PackedGrid | null;
  /** Every grid that may hold the point, the nearest first; metres to its outline, 0 inside. */
  candidates: { grid: PackedGrid; distance: number }[];
}

/** The pack with the changes in it. */
export function changed(pack: Pack, change: PackChange): Pack {
  const { since: _, gone, ...whole } = change;
  const others = new Set([...gone, ...change.grids.map(({ code }) => code)]);
  const grids = [...pack.grids.filter(({ code }) => !others.has(code)), ...change.grids];
  return { ...whole, grids: grids.sort((a, b) => (a.code < b.code ? -1 : 1)) };
}

/** `accuracy`: metres around the point in which the true position lies. */
export function locateIn(pack: Pack, point: Position, accuracy: number): PackAnswer {
  const reach = accuracy + pack.error;
  const near = pack.grids.filter((grid) => isNear(bounds(grid), point, reach));
  const found = near
    .map((grid) => ({ grid, holds: holds(grid, point), metres: metresToOutline(grid, point) }))
    .filter(({ holds, metres }) => holds || metres <= reach);
  const home = found.find(({ holds }) => holds) ?? null;
  const candidates = found
    .map(({ grid, holds, metres }) => ({ grid, distance: holds ? 0 : metres }))
    .sort((a, b) => a.distance - b.distance || (a.grid.code < b.grid.code ? -1 : 1));
  if (found.length === 0) return { outcome: "OUTSIDE", grid: null, candidates };
  const isSure = home !== null && found.length === 1 && home.metres > reach;
  return { outcome: isSure ? "INSIDE" : "UNCERTAIN", grid: home?.grid ?? null, candidates };
}

/** West, south, east and north of all grids, in degrees. */
export function boundsOf(pack: Pack): readonly [number, number, number, number] {
  const all = pack.grids.map(bounds);
  return [
    Math.min(...all.map((each) => each[0])),
    Math.min(...all.map((each) => each[1])),
    Math.max(...all.map((each) => each[2])),
    Math.max(...all.map((each) => each[3])),
  ];
}

export function outline(grid: PackedGrid): MultiPolygon {
  return {
    type: "MultiPolygon",
    coordinates: grid.polygons.map((rings) =>
      rings.map((ring) => {
        const corners = positions(ring).map(([x, y]) => [x, y]);
        return [...corners, ...corners.slice(0, 1)];
      }),
    ),
  };
}

type Bounds = readonly [west: number, south: number, east: number, north: number];

const unpacked = new WeakMap<number[], Position[]>();
const boxes = new WeakMap<PackedGrid, Bounds>();

function positions(ring: number[]): Position[] {
  let found = unpacked.get(ring);
  if (!found) {
    found = [];
    let x = 0;
    let y = 0;
    for (let i = 0; i < ring.length; i += 2) {
      x += ring[i] ?? 0;
      y += ring[i + 1] ?? 0;
      found.push([x / 1e6, y / 1e6]);
    }
    unpacked.set(ring, found);
  }
  return found;
}

function bounds(grid: PackedGrid): Bounds {
  let found = boxes.get(grid);
  if (!found) {
    let [west, south, east, north] = [Infinity, Infinity, -Infinity, -Infinity];
    for (const [x, y] of grid.polygons.flat().flatMap(positions)) {
      west = Math.min(west, x);
      east = Math.max(east, x);
      south = Math.min(south, y);
      north = Math.max(north, y);
    }
    found = [west, south, east, north];
    boxes.set(grid, found);
  }
  return found;
}

function isNear([west, south, east, north]: Bounds, [x, y]: Position, metres: number): boolean {
  // A degree is a little shorter to the north: one in a hundred more than is needed.
  const [across, up] = metresPerDegree(y).map((each) => (1.01 * metres) / each) as [number, number];
  return x >= west - across && x <= east + across && y >= south - up && y <= north + up;
}

// By the even-odd rule over all rings, so that holes are no part.
function holds(grid: PackedGrid, [x, y]: Position): boolean {
  let inside = false;
  for (const ring of grid.polygons.flat()) {
    const corners = positions(ring);
    let [ax, ay] = corners[corners.length - 1] ?? [0, 0];
    for (const [bx, by] of corners) {
      if (ay > y !== by > y && x < ax + ((y - ay) / (by - ay)) * (bx - ax)) inside = !inside;
      [ax, ay] = [bx, by];
    }
  }
  return inside;
}

function metresToOutline(grid: PackedGrid, point: Position): number {
  let least = Infinity;
  for (const ring of grid.polygons.flat()) {
    const corners = positions(ring);
    let from = corners[corners.length - 1] ?? point;
    for (const to of corners) {
      least = Math.min(least, metresToStretch(point, from, to));
      from = to;
    }
  }
  return least;
}
