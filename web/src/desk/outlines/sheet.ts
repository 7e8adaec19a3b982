// The sheet on which outlines are drawn: the grids around, as they are and as they are to be.
//
// Grids that lie side by side have all corners of their common border in common, to the bit, and
// what is done to one corner or edge is done to it in all of them; so borders stay common. Each
// change gives a sheet of its own, which makes undoing a matter of keeping the one before.

import { type Position, metresBetween, metresPerDegree, metresToStretch } from "../../lib/earth.ts";
import { Problem } from "./problem.ts";
import {
  type Box,
  type Outline,
  type Ring,
  areaOf,
  at,
  boxOf,
  crossing,
  edgesOf,
  foot,
  holds,
  isAt,
  isSameGround,
  meet,
  middleOf,
  nameOf,
  ringsOf,
  turned,
} from "./shapes.ts";

export interface SheetGrid {
  /** Of a new one what it is called here, beginning with #; the server numbers it. */
  readonly code: string;
  readonly name: string;
  /** Null for that of the grid from which it has most ground. */
  readonly community: string | null;
  /** Not of the district that is planned for: it stays as it is. */
  readonly isFixed: boolean;
  /** Null of a new one. */
  readonly before: Outline | null;
  readonly nameBefore: string | null;
  /** Null of one that ends. */
  readonly outline: Outline | null;
  /** The grids whose ground it has all together; null where it was drawn otherwise. */
  readonly together: readonly string[] | null;
}

export type Sheet = readonly SheetGrid[];

/** Which grids a change of a corner goes to: all that have it, or one alone. */
export type Along = "all" | string;

const SAME_METRES = 0.01;

/** A grid as it is. */
export function standing(
  code: string,
  name: string,
  outline: Outline,
  isFixed = false,
): SheetGrid {
  return {
    code,
    name,
    community: null,
    isFixed,
    before: outline,
    nameBefore: name,
    outline,
    together: null,
  };
}

/**
 * The sheet with more grids. Corners within a centimetre of each other become one, and each border
 * has a corner wherever another grid has one on it.
 */
export function withGrids(sheet: Sheet, more: readonly SheetGrid[]): Sheet {
  const known = new Set(sheet.map((each) => each.code));
  const added = more.filter((each) => !known.has(each.code));
  if (added.length === 0) return sheet;
  const corners = new Corners();
  for (const grid of sheet) {
    for (const outline of [grid.before, grid.outline]) {
      for (const place of outline?.flat(2) ?? []) corners.take(place);
    }
  }
  const join = (outline: Outline | null) => outline && mapped(outline, (place) => corners.take(place));
  const joined = added.map((grid) => {
    const before = join(grid.before);
    return { ...grid, before, outline: grid.outline === grid.before ? before : join(grid.outline) };
  });
  return noded([...sheet, ...joined]);
}

/** The corner at `from` at another place, in all grids that have it. */
export function moved(sheet: Sheet, from: Position, to: Position, along: Along = "all"): Sheet {
  if (isAt(from, to)) return sheet;
  const next = sheet.map((grid) =>
    takesPart(grid, along) && has(grid, from)
      ? redrawn(grid, mapped(grid.outline ?? [], (place) => (isAt(place, from) ? to : place)))
      : grid,
  );
  return noded(next, [to]);
}

/** With a corner more on the edge between two. */
export function inserted(sheet: Sheet, a: Position, b: Position, place: Position): Sheet {
  return sheet.map((grid) => {
    if (!grid.outline) return grid;
    let found = false;
    const outline = grid.outline.map((polygon) =>
      polygon.map((ring) =>
        ring.flatMap((each, i) => {
          const next = at(ring, i + 1);
          const isIt = (isAt(each, a) && isAt(next, b)) || (isAt(each, b) && isAt(next, a));
          found ||= isIt;
          return isIt ? [each, place] : [each];
        }),
      ),
    );
    return found ? redrawn(grid, outline, true) : grid;
  });
}

/** Without a corner. Throws Problem where borders meet there, or too few corners would be left. */
export function removed(sheet: Sheet, place: Position, along: Along = "all"): Sheet {
  const holding = sheet.filter((grid) => takesPart(grid, along) && has(grid, place));
  const ways = new Set<string>();
  for (const grid of along === "all" ? holding : []) {
    for (const [from, to] of edgesOf(grid.outline ?? [])) {
      if (isAt(from, place)) ways.add(nameOf(to));
      if (isAt(to, place)) ways.add(nameOf(from));
    }
  }
  if (ways.size > 2) throw new Problem("bordersMeet", place);
  return sheet.map((grid) => {
    if (!holding.includes(grid)) return grid;
    const outline = (grid.outline ?? []).map((polygon) =>
      polygon.map((ring) => ring.filter((each) => !isAt(each, place))),
    );
    if (ringsOf(outline).some((ring) => ring.length < 3)) throw new Problem("tooFewCorners", place);
    return redrawn(grid, outline);
  });
}

/**
 * A grid cut in two by a line; the new one has the part that is smaller. The line comes from
 * outside, or from the border, and leaves again.
 */
export function split(sheet: Sheet, code: string, line: readonly Position[], name: string): Sheet {
  const grid = gridOf(sheet, code);
  const { shell, polygon, way } = cut(grid.outline ?? [], line);
  const first = way[0] as Position;
  const last = way[way.length - 1] as Position;
  const halves = [
    [...between(shell, first, last), ...[...way.slice(1, -1)].reverse()],
    [...between(shell, last, first), ...way.slice(1, -1)],
  ];
  const [one = [], other = []] = halves.map((ring): Outline => {
    const holes = polygon.slice(1).filter((hole) => holds([[ring]], at(hole, 0)));
    return turned([[ring, ...holes]]);
  });
  const [large, small] = areaOf(one) >= areaOf(other) ? [one, other] : [other, one];
  const others = (grid.outline ?? []).filter((each) => each !== polygon);
  const part: SheetGrid = {
    ...newGrid(sheet, small, name),
    community: grid.community,
  };
  const next = sheet.map((each) =>
    each.code === code ? redrawn(each, [...large, ...others]) : each,
  );
  return noded([...next, part], [first, last]);
}

/** Both grids with each other's ground, where one should keep the other part. */
export function swapped(sheet: Sheet, one: string, other: string): Sheet {
  const [a, b] = [gridOf(sheet, one), gridOf(sheet, other)];
  return sheet.map((each) =>
    each.code === one
      ? redrawn(each, b.outline ?? [])
      : each.code === other
        ? redrawn(each, a.outline ?? [])
        : each,
  );
}

/** One grid with the ground of others, which end. */
export function merged(sheet: Sheet, code: string, others: readonly string[]): Sheet {
  const parts = [code, ...others].map((each) => gridOf(sheet, each));
  // As they are, whole: the server puts the very outlines together.
  const isWhole = parts.every((each) => each.together || (each.before && each.outline === each.before));
  const together = isWhole ? parts.flatMap((each) => each.together ?? [each.code]) : null;
  const outline = united(parts.map((each) => each.outline ?? []));
  return sheet
    .map((each) => {
      if (each.code === code) return { ...each, outline, together };
      return others.includes(each.code) ? { ...each, outline: null, together: null } : each;
    })
    .filter(isKept);
}

/** Without a grid; its ground is nobody's. */
export function ended(sheet: Sheet, code: string): Sheet {
  return sheet
    .map((each) => (each.code === code ? { ...each, outline: null, together: null } : each))
    .filter(isKept);
}

export function renamed(sheet: Sheet, code: string, name: string): Sheet {
  return sheet.map((each) => (each.code === code ? { ...each, name } : each));
}

/** A new grid in a community; null for that of the grid from which it has most ground. */
export function inCommunity(sheet: Sheet, code: string, community: string | null): Sheet {
  return sheet.map((each) => (each.code === code ? { ...each, community } : each));
}

/** Grids with other outlines; null for one that ends. */
export function withOutlines(sheet: Sheet, outlines: ReadonlyMap<string, Outline | null>): Sheet {
  const next = sheet
    .map((each) => {
      const outline = outlines.get(each.code);
      if (outline === undefined) return each;
      return outline ? redrawn(each, outline) : { ...each, outline: null, together: null };
    })
    .filter(isKept);
  return noded(next);
}

/** As it was of old, in the sheet with all that is new in it. */
export function restored(sheet: Sheet, code: string): Sheet {
  return sheet
    .map((each) =>
      each.code === code
        ? { ...each, outline: each.before, name: each.nameBefore ?? each.name, together: null }
        : each,
    )
    .filter(isKept);
}

/** The sheet on other grids than it was begun on: what was not drawn is as they are, and what was
 * drawn stays. */
export function onGrids(sheet: Sheet, now: readonly SheetGrid[]): Sheet {
  const kept = changedGrids(sheet);
  const renewed = kept.map((grid) => {
    const there = now.find((each) => each.code === grid.code);
    return { ...grid, before: there?.before ?? null, nameBefore: there?.nameBefore ?? null };
  });
  return withGrids(withGrids([], renewed), now);
}

/** A grid that is not there yet. Its code is free on the sheet. */
export function newGrid(sheet: Sheet, outline: Outline, name: string): SheetGrid {
  const numbers = sheet.map(({ code }) => (code.startsWith("#") ? Number(code.slice(1)) : 0));
  return {
    code: `#${Math.max(0, ...numbers) + 1}`,
    name,
    community: null,
    isFixed: false,
    before: null,
    nameBefore: null,
    outline,
    together: null,
  };
}

export function gridOf(sheet: Sheet, code: string): SheetGrid {
  const found = sheet.find((each) => each.code === code);
  if (!found) throw new Problem("noSuchGrid", null, { code });
  return found;
}

/** The grids that share an edge with it. */
export function beside(sheet: Sheet, code: string): SheetGrid[] {
  const grid = gridOf(sheet, code);
  const edges = new Set<string>();
  for (const [from, to] of edgesOf(grid.outline ?? [])) edges.add(`${nameOf(to)} ${nameOf(from)}`);
  return sheet.filter(
    (each) =>
      each.code !== code &&
      each.outline &&
      [...edgesOf(each.outline)].some(([from, to]) => edges.has(`${nameOf(from)} ${nameOf(to)}`)),
  );
}

/** Whether the server is to be told of it. */
export function isChanged(grid: SheetGrid): boolean {
  return (
    !grid.isFixed &&
    (grid.name !== grid.nameBefore ||
      grid.together !== null ||
      !isSameGround(grid.before, grid.outline))
  );
}

export function changedGrids(sheet: Sheet): SheetGrid[] {
  return sheet.filter(isChanged);
}

// What nobody has ever had, and nobody is to have.
function isKept(grid: SheetGrid): boolean {
  return grid.before !== null || grid.outline !== null;
}

function takesPart(grid: SheetGrid, along: Along): boolean {
  return !grid.isFixed && grid.outline !== null && (along === "all" || grid.code === along);
}

function has(grid: SheetGrid, place: Position): boolean {
  return grid.outline?.some((polygon) => polygon.some((ring) => ring.some((each) => isAt(each, place)))) ?? false;
}

// `isSame`: the ground is what it was.
function redrawn(grid: SheetGrid, outline: Outline, isSame = false): SheetGrid {
  const turn = turned(outline);
  // What has not changed stays the same, and so does what is put together of it.
  if (isSame && grid.outline === grid.before) return { ...grid, outline: turn, before: turn };
  return { ...grid, outline: turn, together: isSame ? grid.together : null };
}

function mapped(outline: Outline, change: (place: Position) => Position): Outline {
  return outline.map((polygon) =>
    polygon.map((ring) => {
      const next = ring.map(change);
      return next.filter((each, i) => next.length === 1 || !isAt(each, at(next, i + 1)));
    }),
  );
}

/** Corners by place, so that what is nearly one becomes one. */
class Corners {
  private readonly cells = new Map<string, Position[]>();
  private scale: readonly [number, number] | null = null;

  take(place: Position): Position {
    this.scale ??= metresPerDegree(place[1]);
    const [column, row] = [0, 1].map((i) =>
      Math.round(((place[i] ?? 0) * (this.scale?.[i] ?? 1)) / (4 * SAME_METRES)),
    ) as [number, number];
    for (let x = column - 1; x <= column + 1; x++) {
      for (let y = row - 1; y <= row + 1; y++) {
        for (const each of this.cells.get(`${x} ${y}`) ?? []) {
          if (isAt(each, place) || metresBetween(each, place) < SAME_METRES) return each;
        }
      }
    }
    const cell = `${column} ${row}`;
    this.cells.set(cell, [...(this.cells.get(cell) ?? []), place]);
    return place;
  }
}

// With a corner wherever one of another grid lies on an edge; of all corners, or of these alone.
function noded(sheet: Sheet, corners: readonly Position[] | null = null): Sheet {
  const all = corners ?? [...new Map(sheet.flatMap(placesOf).map((each) => [nameOf(each), each])).values()];
  return sheet.map((grid) => {
    const before = grid.before && withCorners(grid.before, all);
    const outline = grid.outline === grid.before ? before : grid.outline && withCorners(grid.outline, all);
    return before === grid.before && outline === grid.outline ? grid : { ...grid, before, outline };
  });
}

function placesOf(grid: SheetGrid): Position[] {
  return [...(grid.before?.flat(2) ?? []), ...(grid.outline?.flat(2) ?? [])];
}

function withCorners(outline: Outline, corners: readonly Position[]): Outline {
  const box = boxOf(outline, SAME_METRES);
  const own = new Set(outline.flat(2).map(nameOf));
  const near = corners.filter((each) => within(box, each) && !own.has(nameOf(each)));
  if (near.length === 0) return outline;
  let isSame = true;
  const next = outline.map((polygon) =>
    polygon.map((ring) =>
      ring.flatMap((from, i) => {
        const to = at(ring, i + 1);
        const edge = boxOf([[[from, to]]], SAME_METRES);
        const found = near
          .filter((each) => within(edge, each) && metresToStretch(each, from, to) < SAME_METRES)
          .map((each) => [foot(each, from, to)[1], each] as const)
          .filter(([along]) => along > 0 && along < 1)
          .sort(([one], [other]) => one - other);
        if (found.length === 0) return [from];
        isSame = false;
        return [from, ...found.map(([, each]) => each)];
      }),
    ),
  );
  return isSame ? outline : next;
}

function within([west, south, east, north]: Box, [x, y]: Position): boolean {
  return x >= west && x <= east && y >= south && y <= north;
}

interface Cut {
  /** The shell with the two corners where the line enters and leaves. */
  shell: Ring;
  polygon: readonly Ring[];
  /** What of the line lies within, from border to border. */
  way: readonly Position[];
}

function cut(outline: Outline, line: readonly Position[]): Cut {
  const cuts = outline.map((polygon) => cutOf(polygon, line)).filter((each) => each !== null);
  if (cuts.length === 0) throw new Problem("lineMissesGrid", line[0] ?? null);
  if (cuts.length > 1) throw new Problem("lineCrossesTwice", line[0] ?? null);
  return cuts[0] as Cut;
}

function cutOf(polygon: readonly Ring[], line: readonly Position[]): Cut | null {
  const [shell = []] = polygon;
  if (!meet(boxOf([polygon]), boxOf([[line]], SAME_METRES))) return null;
  const met = crossings(shell, line);
  // What of the line lies within: from one meeting to the next, where its middle does.
  const inner = met.slice(1).flatMap((to, i) => {
    const from = met[i] as Meeting;
    const way = wayBetween(line, from, to);
    return holds([[shell]], middleOfWay(way)) ? [{ from, to, way }] : [];
  });
  if (inner.length === 0) {
    if (line.some((each) => holds([polygon], each))) throw new Problem("lineEndsWithin", line[0] ?? null);
    return null;
  }
  const [{ from, to, way }, another] = inner as [(typeof inner)[0], (typeof inner)[0]?];
  if (another) throw new Problem("lineCrossesTwice", another.from.place);
  for (const end of [line[0], line[line.length - 1]]) {
    const isOutside = end && (!holds([[shell]], end) || met.some((each) => metresBetween(each.place, end) < SAME_METRES));
    if (!isOutside) throw new Problem("lineEndsWithin", end ?? null);
  }
  for (const hole of polygon.slice(1)) {
    if (crossings(hole, way).length) throw new Problem("lineCrossesHole", at(hole, 0));
  }
  for (let i = 1; i < way.length; i++) {
    for (let j = i + 2; j < way.length; j++) {
      const found = crossing([at(way, i - 1), at(way, i)], [at(way, j - 1), at(way, j)]);
      if (found) throw new Problem("lineCrossesItself", found.place);
    }
  }
  const [withBoth] = [from.place, to.place].reduce<Outline>(
    (outline, place) => withCorners(outline, [place]),
    [[shell]],
  ) as [readonly Ring[]];
  return { shell: withBoth[0] ?? [], polygon, way };
}

interface Meeting {
  place: Position;
  /** Of the line: which stretch, and how far along it. */
  stretch: number;
  along: number;
}

// In the order of the line; each place once, and on a corner of the ring that corner.
function crossings(ring: Ring, line: readonly Position[]): Meeting[] {
  const found: Meeting[] = [];
  for (let i = 1; i < line.length; i++) {
    const [a, b] = [at(line, i - 1), at(line, i)];
    for (const [from, to] of edgesOf([[ring]])) {
      const met = crossing([a, b], [from, to]);
      const touching: [Position, number][] = met ? [[met.place, met.along]] : [];
      // An end of the line that was brought onto the border lies beside it by some rounding.
      for (const [end, along] of [[a, 0], [b, 1]] as const) {
        if (metresToStretch(end, from, to) < SAME_METRES) touching.push([foot(end, from, to)[0], along]);
      }
      for (const [place, along] of touching) {
        const corner = [from, to].find((each) => metresBetween(each, place) < SAME_METRES);
        found.push({ place: corner ?? place, stretch: i - 1, along });
      }
    }
  }
  return found
    .sort((one, other) => one.stretch + one.along - other.stretch - other.along)
    .filter((each, i, all) => all.findIndex((one) => metresBetween(one.place, each.place) < SAME_METRES) === i);
}

function wayBetween(line: readonly Position[], from: Meeting, to: Meeting): Position[] {
  const inner = line.slice(from.stretch + 1, to.stretch + 1);
  return [
    from.place,
    ...inner.filter(
      (each) =>
        metresBetween(each, from.place) >= SAME_METRES && metresBetween(each, to.place) >= SAME_METRES,
    ),
    to.place,
  ];
}

function middleOfWay(way: readonly Position[]): Position {
  const i = Math.max(1, Math.floor(way.length / 2));
  const [a, b] = [at(way, i - 1), at(way, i)];
  return [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2];
}

// The ring from one corner on to another, both of them with it.
function between(ring: Ring, from: Position, to: Position): Position[] {
  const start = ring.findIndex((each) => isAt(each, from));
  const found: Position[] = [];
  for (let i = start; ; i++) {
    const place = at(ring, i);
    found.push(place);
    if (isAt(place, to) || found.length > ring.length) return found;
  }
}

/** All the ground of outlines whose common edges are the same to the bit: what is left of the edges
 * when those that run both ways are taken away. */
export function united(outlines: readonly Outline[]): Outline {
  const ways = new Map<string, Position[]>();
  const all = outlines.flatMap((outline) => [...edgesOf(outline)]);
  const names = new Set(all.map(([from, to]) => `${nameOf(from)} ${nameOf(to)}`));
  for (const [from, to] of all) {
    if (names.has(`${nameOf(to)} ${nameOf(from)}`)) continue;
    ways.set(nameOf(from), [...(ways.get(nameOf(from)) ?? []), to]);
  }
  const rings: Position[][] = [];
  for (const [name, ends] of ways) {
    while (ends.length) {
      const ring: Position[] = [];
      let here = name;
      for (;;) {
        const outs = ways.get(here) ?? [];
        const back = ring[ring.length - 2];
        const next = outs.length > 1 && back ? sharpest(ring[ring.length - 1] as Position, back, outs) : outs[0];
        if (!next) break;
        outs.splice(outs.indexOf(next), 1);
        ring.push(next);
        here = nameOf(next);
        if (here === name) break;
      }
      if (ring.length >= 3) rings.push(ring);
    }
  }
  return nested(rings);
}

// Where borders touch in a corner, the way that turns most to the left keeps the rings apart.
function sharpest(here: Position, back: Position, outs: readonly Position[]): Position {
  const [x, y] = metresPerDegree(here[1]);
  const direction = (to: Position) => Math.atan2((to[1] - here[1]) * y, (to[0] - here[0]) * x);
  const from = direction(back);
  const turn = (to: Position) => (direction(to) - from + 4 * Math.PI) % (2 * Math.PI);
  return [...outs].sort((one, other) => turn(one) - turn(other))[0] as Position;
}

function nested(rings: readonly Ring[]): Outline {
  const isShell = (ring: Ring) => isAt(at(turned([[ring]])[0]?.[0] ?? ring, 1), at(ring, 1));
  const shells = rings.filter(isShell);
  const holes = rings.filter((ring) => !isShell(ring));
  return shells.map((shell) => [
    shell,
    ...holes.filter((hole) => {
      const inside = middleOf(turned([[hole]]));
      const around = shells.filter((each) => holds([[each]], inside));
      return around.sort((one, other) => areaOf([[one]]) - areaOf([[other]]))[0] === shell;
    }),
  ]);
}
