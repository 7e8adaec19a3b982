// Outlines as the editor holds them: polygons of open rings, shells to the left and holes to the
// right, so that grids beside each other run along their common edges in opposite directions.

import type { Geometry, MultiPolygon } from "geojson";
import { type Position, metresPerDegree, metresToStretch } from "../../lib/earth.ts";

/** Without the first position again at its end. */
export type Ring = readonly Position[];
/** The shell, then the holes. */
export type Polygon = readonly Ring[];
export type Outline = readonly Polygon[];

export type Box = readonly [west: number, south: number, east: number, north: number];

export function isAt(one: Position, other: Position): boolean {
  return one[0] === other[0] && one[1] === other[1];
}

export function nameOf([longitude, latitude]: Position): string {
  return `${longitude},${latitude}`;
}

/** The outline of a Polygon or MultiPolygon; null for what is none. */
export function outlineOf(geometry: Geometry | null | undefined): Outline | null {
  if (geometry?.type !== "Polygon" && geometry?.type !== "MultiPolygon") return null;
  const polygons = geometry.type === "Polygon" ? [geometry.coordinates] : geometry.coordinates;
  return turned(
    polygons.map((rings) =>
      rings.map((ring) => opened(ring.map(([x = 0, y = 0]): Position => [x, y]))),
    ),
  );
}

export function geometryOf(outline: Outline): MultiPolygon {
  return {
    type: "MultiPolygon",
    coordinates: outline.map((polygon) =>
      polygon.map((ring) => [...ring, ...ring.slice(0, 1)].map(([x, y]) => [x, y])),
    ),
  };
}

/** Shells to the left, holes to the right; rings of fewer than three corners are left out. */
export function turned(outline: Outline): Outline {
  return outline
    .map((polygon) =>
      polygon
        .map((ring, i) => (signedArea(ring) > 0 === (i === 0) ? ring : [...ring].reverse()))
        .filter((ring) => ring.length >= 3),
    )
    .filter((polygon) => polygon.length > 0);
}

export function ringsOf(outline: Outline): readonly Ring[] {
  return outline.flat();
}

export function* edgesOf(outline: Outline): Generator<readonly [Position, Position]> {
  for (const ring of ringsOf(outline)) {
    for (let i = 0; i < ring.length; i++) yield [at(ring, i), at(ring, i + 1)];
  }
}

/** The position of a ring that comes so many after the first; counted around. */
export function at(ring: Ring, i: number): Position {
  const found = ring[((i % ring.length) + ring.length) % ring.length];
  if (!found) throw new RangeError("a ring of no positions");
  return found;
}

/** Square metres, on the plane that touches the earth there: good to a thousandth. */
export function areaOf(outline: Outline): number {
  return outline.reduce(
    (sum, polygon) =>
      sum + polygon.reduce((part, ring, i) => part + (i ? -1 : 1) * Math.abs(signedArea(ring)), 0),
    0,
  );
}

function signedArea(ring: Ring): number {
  const origin = ring[0];
  if (!origin) return 0;
  const latitudes = ring.map(([, latitude]) => latitude);
  const [across, up] = metresPerDegree((Math.min(...latitudes) + Math.max(...latitudes)) / 2);
  let twice = 0;
  for (let i = 0; i < ring.length; i++) {
    const [ax, ay] = at(ring, i);
    const [bx, by] = at(ring, i + 1);
    twice += (ax - origin[0]) * (by - origin[1]) - (bx - origin[0]) * (ay - origin[1]);
  }
  return (twice / 2) * across * up;
}

export function boxOf(outline: Outline, metres = 0): Box {
  let [west, south, east, north] = [Infinity, Infinity, -Infinity, -Infinity];
  for (const [x, y] of outline.flat(2)) {
    west = Math.min(west, x);
    east = Math.max(east, x);
    south = Math.min(south, y);
    north = Math.max(north, y);
  }
  const [across, up] = metresPerDegree((south + north) / 2 || 0);
  return [west - metres / across, south - metres / up, east + metres / across, north + metres / up];
}

export function meet(one: Box, other: Box): boolean {
  return one[0] <= other[2] && other[0] <= one[2] && one[1] <= other[3] && other[1] <= one[3];
}

/** Whether the outline holds the place, by the even-odd rule. */
export function holds(outline: Outline, [x, y]: Position): boolean {
  let inside = false;
  for (const [[ax, ay], [bx, by]] of edgesOf(outline)) {
    if (ay > y !== by > y && x < ax + ((y - ay) / (by - ay)) * (bx - ax)) inside = !inside;
  }
  return inside;
}

/** Metres from the place to the nearest edge. */
export function metresToBorder(outline: Outline, place: Position): number {
  let least = Infinity;
  for (const [from, to] of edgesOf(outline)) {
    least = Math.min(least, metresToStretch(place, from, to));
  }
  return least;
}

/** The middle of the box, or of what of its middle line is within. */
export function middleOf(outline: Outline): Position {
  const largest = [...outline].sort((one, other) => areaOf([other]) - areaOf([one]))[0];
  const [west, south, east, north] = boxOf(largest ? [largest] : outline);
  const latitude = (south + north) / 2;
  const crossings: number[] = [];
  for (const [[ax, ay], [bx, by]] of edgesOf(outline)) {
    if (ay > latitude !== by > latitude) crossings.push(ax + ((latitude - ay) / (by - ay)) * (bx - ax));
  }
  crossings.sort((one, other) => one - other);
  let [best, widest] = [(west + east) / 2, 0];
  for (let i = 0; i + 1 < crossings.length; i += 2) {
    const [from = 0, to = 0] = crossings.slice(i, i + 2);
    if (to - from > widest) [best, widest] = [(from + to) / 2, to - from];
  }
  return [best, latitude];
}

/** Whether both are the same ground, however many corners lie on the way. */
export function isSameGround(one: Outline | null, other: Outline | null): boolean {
  if (one === other) return true;
  if (!one || !other) return false;
  return liesOn(one, other) && liesOn(other, one) && Math.abs(areaOf(one) - areaOf(other)) < 1;
}

const SAME_METRES = 0.01;

function liesOn(one: Outline, other: Outline): boolean {
  return one.flat(2).every((place) => metresToBorder(other, place) < SAME_METRES);
}

/** The stretches of the border that lie on none of the others' borders. */
export function strayBorders(outline: Outline, others: readonly Outline[]): Position[][] {
  const box = boxOf(outline, 1);
  const near = others.filter((other) => meet(box, boxOf(other)));
  const isOnOne = (place: Position) => near.some((other) => metresToBorder(other, place) < NEAR_METRES);
  const lines: Position[][] = [];
  for (const ring of ringsOf(outline)) {
    let line: Position[] | null = null;
    const on = ring.map(isOnOne);
    for (let i = 0; i < ring.length; i++) {
      const [from, to] = [at(ring, i), at(ring, i + 1)];
      const middle: Position = [(from[0] + to[0]) / 2, (from[1] + to[1]) / 2];
      if (on[i] && on[(i + 1) % ring.length] && isOnOne(middle)) line = null;
      else if (line) line.push(to);
      else lines.push((line = [from, to]));
    }
  }
  return lines;
}

const NEAR_METRES = 0.05;

/** Where an outline crosses or touches itself; null where it does not. */
export function crossingOf(outline: Outline): Position | null {
  const edges = [...edgesOf(outline)];
  for (let i = 0; i < edges.length; i++) {
    for (let j = i + 1; j < edges.length; j++) {
      const [one, other] = [edges[i], edges[j]];
      if (!one || !other) continue;
      const shared = one.filter((end) => other.some((each) => isAt(end, each)));
      if (shared.length > 0) {
        // Ends that follow each other may meet there, and there alone.
        if (shared.length > 1) return shared[0] ?? null;
        const away = one.find((end) => !isAt(end, shared[0] as Position)) as Position;
        const beyond = other.find((end) => !isAt(end, shared[0] as Position)) as Position;
        if (isOn(away, other)) return away;
        if (isOn(beyond, one)) return beyond;
        continue;
      }
      const found = crossing(one, other);
      if (found) return found.place;
    }
  }
  return null;
}

export interface Crossing {
  place: Position;
  /** How far along each of both, from 0 to 1. */
  along: number;
  across: number;
}

/** Where two stretches meet; null where they do not, or run side by side. */
export function crossing(
  [a, b]: readonly [Position, Position],
  [c, d]: readonly [Position, Position],
): Crossing | null {
  const [rx, ry, sx, sy] = [b[0] - a[0], b[1] - a[1], d[0] - c[0], d[1] - c[1]];
  const turn = rx * sy - ry * sx;
  if (turn === 0) return null;
  const along = ((c[0] - a[0]) * sy - (c[1] - a[1]) * sx) / turn;
  const across = ((c[0] - a[0]) * ry - (c[1] - a[1]) * rx) / turn;
  if (along < 0 || along > 1 || across < 0 || across > 1) return null;
  return { place: [a[0] + along * rx, a[1] + along * ry], along, across };
}

/** The nearest place of a stretch, and how far along it lies, from 0 to 1. */
export function foot(place: Position, from: Position, to: Position): readonly [Position, number] {
  const [x, y] = metresPerDegree(place[1]);
  const [dx, dy] = [(to[0] - from[0]) * x, (to[1] - from[1]) * y];
  const length2 = dx * dx + dy * dy;
  const aside = (place[0] - from[0]) * x * dx + (place[1] - from[1]) * y * dy;
  const along = length2 ? Math.min(1, Math.max(0, aside / length2)) : 0;
  return [[from[0] + along * (to[0] - from[0]), from[1] + along * (to[1] - from[1])], along];
}

function isOn(place: Position, [from, to]: readonly [Position, Position]): boolean {
  return metresToStretch(place, from, to) < 1e-6;
}

function opened(ring: Ring): Ring {
  const kept = ring.filter((each, i) => i === 0 || !isAt(each, at(ring, i - 1)));
  while (kept.length > 1 && isAt(at(kept, 0), at(kept, -1))) kept.pop();
  return kept;
}
