// Why the server refused, in Chinese: by the reason that it gives, and what it names beside it.

type Details = Readonly<Record<string, unknown>>;
/** The name of a grid by its code; the code where it is not known. */
export type Named = (code: string) => string;

/** Null where there are no words for it. */
export function inChinese(details: Details, named: Named = (code) => code): string | null {
  return REASONS[String(details.reason)]?.(details, (code) => named(String(code))) ?? null;
}

/** A day that the server proposes to begin on; null where it proposes none. */
export function proposedDay({ reason, begins }: Details): string | null {
  if (reason === "CHANGES_BESIDE") return String(begins);
  if (reason !== "HAS_VERSION") return null;
  return new Date(Date.parse(String(begins)) + 86_400_000).toISOString().slice(0, 10);
}

const REASONS: Record<string, (of: Details, named: (code: unknown) => string) => string> = {
  NO_REGION: ({ region }) => `没有区域 ${region}。`,
  NO_GRID: ({ grid, day }, named) => `${day} 没有网格 ${named(grid)}。`,
  NO_COMMUNITY: ({ community }) => `没有社区 ${community}。`,
  NOT_YOUR_REPORTS: () => "上报只给上报的人和办理的人看，请登录。",
  NOT_ON_EARTH: () => "没有这样的坐标：经度在 −180 到 180 之间，纬度在 −90 到 90 之间。",
  OFFICE_ONLY: () => "网格边界由本区办公室（区级账号）或管理员调整。",
  DAY_IS_PAST: ({ day }) => `${day} 已经过去，往日不改写。请选今天或以后的日子。`,
  HAS_VERSION: ({ grid, begins }, named) => `${named(grid)}在 ${begins} 已有一次变更，请选这天之后的日子。`,
  CHANGES_BESIDE: ({ grid, begins }, named) => `相邻的${named(grid)}在 ${begins} 有变更，请从这天或以后开始。`,
  SEVERAL_DISTRICTS: ({ districts }) => `涉及几个区（${listed(districts).join("、")}），请一个区一个区地做。`,
  NO_NAME: () => "新网格还没有名称，请填上。",
  WHICH_COMMUNITY: () => "新网格画在没有网格的地方，请说明属于哪个社区。",
  NO_OUTLINE: ({ grid }, named) => `${named(grid)}的边界不成形（自相交或太窄），请在那里改一改。`,
  CROSSES_WHEN_SNAPPED: ({ grid, metres }, named) =>
    `${named(grid)}的边界吸附到 ${metres} 米内的邻边后自相交。请减小吸附距离，或在那里改一改。`,
  NOT_SAID_WHY: ({ most }) => `请写明原因，1 到 ${most} 字。`,
  NO_PLAN: () => "没有这个计划，请重新计算。",
  HAS_OBSTACLES: () => "这个计划还不能生效，请先解决上面的问题。",
  WAS_APPLIED: () => "这个计划已经生效。",
  BEING_WRITTEN: () => "别人正在写网格或楼栋（可能在导入），等一会儿再生效。",
  NOT_NOW: () => "这件上报现在不能这样办。",
  NOT_YOURS_TO_DO: () => "这一步不由您办。",
  NOTE_TOO_LONG: ({ most }) => `最多写 ${most} 字。`,
  NOBODY_ANSWERS: () => "这里没有包保单位，请说明派给谁。",
  NO_HANDLER: ({ code }) => `没有编码为 ${code} 的承办人。`,
  INTO_ITSELF: () => "不能并入自己。",
  NO_REPORT_TO_MERGE_INTO: () => "要并入的上报不在这个区。",
  MERGED_INTO_ENDED: ({ number }) => `${number} 已经办结，请并入一件没有办结的，或先把它重办。`,
  HOLDS_OTHERS: () => "有别的上报并入了这一件，请先把它们重办。",
  DEADLINE_NOT_LATER: () => "新的时限要晚于现在的时限。",
  TIME_IS_PAST: () => "这个时间已经过去，请选以后的时间。",
  TIME_TOO_FAR: () => "最多延到三年以内。",
  NOTHING_ABOVE: () => "已经在区里，上面没有更高一级。",
  PLAN_CHANGED: ({ changes, because }, named) => {
    const why = because ? inChinese(because as Details, named) : whatChanged(Array.isArray(changes) ? changes : [], named);
    return why ? `做计划之后又有变化：${why}请重新计算，再看一遍。` : "做计划之后又有变化，请重新计算，再看一遍。";
  },
};

function listed(of: unknown): string[] {
  return Array.isArray(of) ? of.map(String) : [];
}

const MOST_NAMED = 5;

/** Something that a plan lies on and that is not as it was. */
interface Change {
  what: string;
  /** Of a grid, a building or a worker; null: no grid. */
  code: string | null;
  how: "NEW" | "GONE" | null;
}

function whatChanged(changes: readonly Change[], named: Named): string | null {
  if (changes.length === 0) return null;
  const told = changes
    .slice(0, MOST_NAMED)
    .map((each) => inWords(each, named) + (each.how === "NEW" ? "（新增）" : each.how === "GONE" ? "（已不在）" : ""));
  const more = changes.length - told.length;
  return `${told.join("、")}${more > 0 ? `，另有 ${more} 项` : ""}。`;
}

function inWords({ what, code }: Change, named: Named): string {
  const grid = code ? named(code) : "网格外";
  switch (what) {
    case "GRID":
      return grid;
    case "CONTENTS":
      return `${grid}里的楼栋或网格员`;
    case "REPORTS":
      return `${grid}的上报`;
    case "BUILDING_SPONSORS":
      return `${grid}的楼栋包保`;
    case "GRID_SPONSORS":
      return `${grid}的包保`;
    case "BUILDING":
      return `楼栋 ${code}`;
    case "WORKER":
      return `网格员 ${code}`;
    default:
      return "计划的内容";
  }
}
