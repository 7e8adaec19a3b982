// Where a corner is put that is held near a border.

import { type Position, metresBetween } from "../../lib/earth.ts";
import type { Sheet } from "./sheet.ts";
import { boxOf, edgesOf, foot, isAt } from "./shapes.ts";

export interface Snapped {
  place: Position;
  onto: "corner" | "edge" | null;
}

/**
 * The nearest corner within reach, else the nearest place of an edge, else where it is. Of outlines
 * that have the corner `held` themselves, the edges at it do not count, for they move with it.
 */
export function snapped(
  sheet: Sheet,
  place: Position,
  reachMetres: number,
  held: Position | null = null,
): Snapped {
  let corner: Position | null = null;
  let edge: Position | null = null;
  let [toCorner, toEdge] = [reachMetres, reachMetres];
  for (const { outline } of sheet) {
    if (!outline) continue;
    const [west, south, east, north] = boxOf(outline, reachMetres);
    if (place[0] < west || place[0] > east || place[1] < south || place[1] > north) continue;
    for (const [from, to] of edgesOf(outline)) {
      if (held && (isAt(from, held) || isAt(to, held))) continue;
      const away = metresBetween(place, from);
      if (away <= toCorner) [corner, toCorner] = [from, away];
      const [nearest] = foot(place, from, to);
      const aside = metresBetween(place, nearest);
      if (aside <= toEdge) [edge, toEdge] = [nearest, aside];
    }
  }
  if (corner) return { place: corner, onto: "corner" };
  return edge ? { place: edge, onto: "edge" } : { place, onto: null };
}
