// What is left of outlines where others lie over them. Fetched when it is needed.

import { difference, intersection, union } from "polyclip-ts";
import { type Sheet, type SheetGrid, newGrid, withOutlines } from "./sheet.ts";
import { type Outline, areaOf, boxOf, geometryOf, meet, outlineOf } from "./shapes.ts";

// Less than this is the rounding of a corner, and nobody's ground.
const NOTHING_M2 = 0.01;

/**
 * The sheet with outlines as they were drawn. `drawn`: by code; names where the grid is new. Where
 * `giveWay`, the other grids are cut back to what is beside them, and those of which nothing is left
 * end.
 */
export function withDrawn(
  sheet: Sheet,
  drawn: readonly { code: string | null; name: string; outline: Outline }[],
  giveWay: boolean,
): { sheet: Sheet; codes: string[] } {
  const codes: string[] = [];
  const outlines = new Map<string, Outline | null>();
  let next = sheet;
  for (const { code, name, outline } of drawn) {
    const grid = code === null ? undefined : next.find((each) => each.code === code);
    if (grid) {
      outlines.set(grid.code, outline);
      codes.push(grid.code);
    } else {
      const added: SheetGrid = newGrid(next, outline, name);
      next = [...next, code === null ? added : { ...added, code }];
      codes.push(code ?? added.code);
    }
  }
  if (giveWay) {
    for (const grid of next) {
      if (grid.isFixed || !grid.outline || codes.includes(grid.code)) continue;
      const rest = without(grid.outline, drawn.map((each) => each.outline));
      if (rest !== grid.outline) outlines.set(grid.code, areaOf(rest) > NOTHING_M2 ? rest : null);
    }
  }
  return { sheet: withOutlines(next, outlines), codes };
}

/** The grid with a piece of ground more. */
export function withGround(sheet: Sheet, code: string, piece: Outline): Sheet {
  const grid = sheet.find((each) => each.code === code);
  if (!grid?.outline) return sheet;
  const both = outlineOf(polygonOf(union(coordinatesOf(grid.outline), coordinatesOf(piece))));
  return withOutlines(sheet, new Map([[code, both ?? grid.outline]]));
}

/** What is left of an outline; the same where nothing lies over it. */
export function without(outline: Outline, others: readonly Outline[]): Outline {
  const box = boxOf(outline);
  const over = others.filter(
    (other) => meet(box, boxOf(other)) && overlap(outline, other) > NOTHING_M2,
  );
  if (over.length === 0) return outline;
  const [first, ...more] = over.map(coordinatesOf);
  const rest = outlineOf(polygonOf(difference(coordinatesOf(outline), first ?? [], ...more))) ?? [];
  return rest.filter((polygon) => areaOf([polygon]) > NOTHING_M2);
}

/** Square metres that both have. */
export function overlap(one: Outline, other: Outline): number {
  return areaOf(outlineOf(polygonOf(intersection(coordinatesOf(one), coordinatesOf(other)))) ?? []);
}

type Coordinates = [number, number][][][];

function coordinatesOf(outline: Outline): Coordinates {
  return geometryOf(outline).coordinates as Coordinates;
}

function polygonOf(coordinates: Coordinates) {
  return { type: "MultiPolygon", coordinates } as const;
}
