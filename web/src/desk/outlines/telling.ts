// A plan in plain words, and what the server warns of in the reader's language.
//
// It warns in English sentences, which are said in Chinese here; one that is not known here is shown
// as it came. Why it refuses is told by `reasons`.

import type { PlanFragment } from "../../lib/gql/graphql";
import type { Position } from "../../lib/earth";
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
export function said(message: string, language: string, named: (code: string) => string): string {
  if (language !== "zh") return message;
  for (const [pattern, words] of CHINESE) {
    const found = pattern.exec(message);
    if (found) return words(found.slice(1).map((each) => each ?? ""), named);
  }
  return message;
}

/** A place that the message names; null where it names none. */
export function placeIn(message: string): Position | null {
  const found = /longitude (-?[\d.]+), latitude (-?[\d.]+?)\.?(?:[\s,;]|$)/.exec(message);
  return found ? [Number(found[1]), Number(found[2])] : null;
}

type Words = (parts: string[], named: (code: string) => string) => string;

const CHINESE: readonly (readonly [RegExp, Words])[] = [
  [/^([\d,.e+]+ m²) of ground are given up\.$/, ([area]) => `${area}的地不再属于任何网格。`],
  [/^([\d,.e+]+ m²) of ground are taken in\.$/, ([area]) => `新划入${area}原来没有网格的地。`],
  [
    /^(\d+) buildings? will stand in no grid, as (\S+)\.$/,
    ([count, code]) => `${count} 栋楼将不在任何网格里，如 ${code}。`,
  ],
  [
    /^There was a grid (\S+) before; its reports will be counted with it\.$/,
    ([code]) => `以前有过网格 ${code}，它的上报会一并计入。`,
  ],
  [
    /^Nobody walks the new grid (\S+); assign somebody\.$/,
    ([code = ""], named) => `${named(code)}是新网格，还没有网格员，请指派。`,
  ],
  [
    /^Worker (\S+) \((.+)\) walks no grid when (\S+) has ended\.$/,
    ([, name, grid = ""], named) => `${named(grid)}撤销后，${name}名下没有网格。`,
  ],
  [
    /^Sponsor (\S+) no longer answers for grid (\S+), which ends\.$/,
    ([sponsor, grid = ""], named) => `${named(grid)}撤销，单位 ${sponsor} 对它的包保随之结束。`,
  ],
  [
    /^(\d+) buildings? of community (\S+) come into grid (\S+)\.$/,
    ([count, home, grid = ""], named) => `社区 ${home} 的 ${count} 栋楼划入${named(grid)}。`,
  ],
  [
    /^Grid (\S+) will reach ([\d,.e+]+ m²) beyond the outline of community (\S+)\.$/,
    ([grid = "", area, community], named) => `${named(grid)}将超出社区 ${community} 的范围 ${area}。`,
  ],
];
