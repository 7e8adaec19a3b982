// A plan in plain words, and what the server warns of in the reader's language.
//
// Its warnings are said in Chinese here by their codes; one that is not known here is shown as it
// came, in English. Why it refuses is told by `reasons`.

import type { BoundaryWarningCode, PlanFragment, WarnedFragment } from "../../lib/gql/graphql";
import type { Position } from "../../lib/earth";
import type { Named } from "../reasons";
import { type Outline, middleOf, outlineOf } from "./shapes.ts";

/** What keeps a plan from being applied. */
export interface Obstacle {
  kind: "gap" | "taken" | "overlap";
  area: number;
  grids: readonly string[];
  outline: Outline;
  place: Position;
}

export function obstaclesOf(plan: PlanFragment): Obstacle[] {
  const of = (kind: Obstacle["kind"], pieces: PlanFragment["gaps"]["nodes"]): Obstacle[] =>
    pieces.flatMap(({ area, grids, outline }) => {
      const shape = outlineOf(outline);
      return shape ? [{ kind, area, grids, outline: shape, place: middleOf(shape) }] : [];
    });
  return [
    ...of("overlap", plan.overlaps.nodes.filter(({ isNew }) => isNew)),
    ...(plan.groundMayChange ? [] : [...of("gap", plan.gaps.nodes), ...of("taken", plan.taken.nodes)]),
  ];
}

/** A warning of the server's, in the language. `named`: the name of a grid by its code. */
export function said(warned: WarnedFragment, language: string, named: Named): string {
  return (language === "zh" && CHINESE[warned.code]?.(warned, (code) => named(code ?? ""))) || warned.message;
}

/** A place that the message names; null where it names none. */
export function placeIn(message: string): Position | null {
  const found = /longitude (-?[\d.]+), latitude (-?[\d.]+?)\.?(?:[\s,;]|$)/.exec(message);
  return found ? [Number(found[1]), Number(found[2])] : null;
}

type Words = (of: WarnedFragment, named: (code: string | null) => string) => string;

const CHINESE: Partial<Record<BoundaryWarningCode, Words>> = {
  GROUND_GIVEN_UP: ({ area }) => `${ground(area)}的地不再属于任何网格。`,
  GROUND_TAKEN_IN: ({ area }) => `新划入${ground(area)}原来没有网格的地。`,
  BUILDINGS_IN_NO_GRID: ({ buildings, building }) => `${buildings} 栋楼将不在任何网格里，如 ${building}。`,
  BUILDINGS_OF_ANOTHER_COMMUNITY: ({ buildings, community, grid }, named) =>
    `社区 ${community} 的 ${buildings} 栋楼划入${named(grid)}。`,
  GRID_WAS_BEFORE: ({ grid }) => `以前有过网格 ${grid}，它的上报会一并计入。`,
  NOBODY_WALKS_GRID: ({ grid }, named) => `${named(grid)}是新网格，还没有网格员，请指派。`,
  WORKER_WITHOUT_GRID: ({ workerName, grid }, named) => `${named(grid)}撤销后，${workerName}名下没有网格。`,
  SPONSOR_ENDS: ({ sponsor, grid }, named) => `${named(grid)}撤销，单位 ${sponsor} 对它的包保随之结束。`,
  BEYOND_COMMUNITY: ({ grid, area, community }, named) =>
    `${named(grid)}将超出社区 ${community} 的范围 ${ground(area)}。`,
};

function ground(area: number | null): string {
  const size = area ?? 0;
  const digits = size >= 100 ? { maximumFractionDigits: 0 } : { maximumSignificantDigits: 3 };
  return `${new Intl.NumberFormat("zh", digits).format(size)} m²`;
}
