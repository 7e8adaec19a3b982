// A plan in plain words, and what the server says in the reader's language.
//
// The server speaks English, to programs and people alike. Here its sentences that a planner meets
// are said in Chinese too; one that is not known here is shown as it came.

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

/** What the server said, in the language. `named`: the name of a grid by its code. */
export function said(message: string, language: string, named: (code: string) => string): string {
  if (language !== "zh") return message;
  for (const [pattern, words] of CHINESE) {
    const found = pattern.exec(message);
    if (found) return words(found.slice(1).map((each) => each ?? ""), named);
  }
  return message;
}

/** A day that the server proposes to begin on; null where it proposes none. */
export function proposedDay(message: string): string | null {
  const after = /Begin on a day after (\d{4}-\d{2}-\d{2})\.$/.exec(message)?.[1];
  if (after) return new Date(Date.parse(after) + 86_400_000).toISOString().slice(0, 10);
  return /changes on (\d{4}-\d{2}-\d{2}), after .* Begin on that day or later\.$/.exec(message)?.[1] ?? null;
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
  [
    /^Boundaries are for the office of their district to change, or for an ADMINISTRATOR\..*$/,
    () => "网格边界由本区办公室（区级账号）或管理员调整。",
  ],
  [
    /^The change is to begin on (\S+), which is past\..*$/,
    ([day]) => `${day} 已经过去，往日不改写。请选今天或以后的日子。`,
  ],
  [
    /^Grid (\S+) has a version that begins on (\S+), and the change is to begin on \S+\. Begin on a day after \S+\.$/,
    ([grid = "", day], named) => `${named(grid)}在 ${day} 已有一次变更，请选这天之后的日子。`,
  ],
  [
    /^Grid (\S+), which lies beside, changes on (\S+), after \S+\. Begin on that day or later\.$/,
    ([grid = "", day], named) => `相邻的${named(grid)}在 ${day} 有变更，请从这天或以后开始。`,
  ],
  [
    /^The grids lie in districts (.+); plan for each by itself\..*$/,
    ([districts]) => `涉及几个区（${districts}），请一个区一个区地做。`,
  ],
  [/^The new grid (\S+) has no name; give it one\.$/, () => "新网格还没有名称，请填上。"],
  [/^A new grid lies where no grid is; say its community\.$/, () => "新网格画在没有网格的地方，请说明属于哪个社区。"],
  [/^There is no grid '(\S+)' on (\S+)\.$/, ([code = "", day], named) => `${day} 没有网格${named(code)}。`],
  [/^There is no community '(\S+)' for a new grid\.$/, ([code]) => `没有社区 ${code}。`],
  [
    /^The outline of grid (.+?), brought onto the borders within (\S+) m it is no valid polygon: .*$/,
    ([grid = "", metres], named) =>
      `${named(grid)}的边界吸附到 ${metres} 米内的邻边后自相交。请减小吸附距离，或在那里改一改。`,
  ],
  [
    /^The outline of grid (.+?): (?:the border crosses itself|a ring touches itself).*$/,
    ([grid = ""], named) => `${named(grid)}的边界自相交，请在那里改一改。`,
  ],
  [
    /^What the plan lies on has changed: (.*?)\.? Plan anew(?:, and look at it again)?\.$/s,
    ([what = ""], named) => `做计划之后又有变化：${changed(what, named)}。请重新计算，再看一遍。`,
  ],
  [/^The plan was applied on (.+) already\.$/, ([when]) => `这个计划已在 ${when} 生效。`],
  [/^There is no plan \S+ in district \S+\.$/, () => "没有这个计划，请重新计算。"],
  [/^The plan cannot be applied: .*$/s, () => "这个计划还不能生效，请先解决上面的问题。"],
  [/^Say the reason, in 1 to (\d+) characters\.$/, ([most]) => `请写明原因，1 到 ${most} 字。`],
  [
    /^Somebody else writes grids, buildings or who walks them, perhaps an import;.*$/,
    () => "别人正在写网格或楼栋（可能在导入），等一会儿再生效。",
  ],
];

function changed(what: string, named: (code: string) => string): string {
  return what
    .replace(/, and (\d+) more$/, (_, count: string) => `，另有 ${count} 项`)
    .replace(/what stands in grid, or who walks it: (\S+?)(?=,|，|$)/g, (_, code: string) => `${named(code)}里的楼栋或网格员`)
    .replace(/\bgrid (\S+?)(?=,|，| |$)/g, (_, code: string) => named(code))
    .replace(/\bbuilding (?=\S)/g, "楼栋 ")
    .replace(/\breport (?=\S)/g, "上报 ")
    .replace(/\bsponsorship (?=\S)/g, "包保 ")
    .replace(/\bworker (?=\S)/g, "网格员 ")
    .replace(/ \(new\)/g, "（新增）")
    .replace(/ \(gone\)/g, "（已不在）")
    .replace(/, /g, "、");
}
