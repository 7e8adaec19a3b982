// The boundary editor: what is on its sheet, what is being drawn, and what the server says of it.
//
// It is one for the page, and stays when another panel is looked at. What was drawn is kept in this
// browser until it is applied or thrown away.

import { computed, ref, shallowRef, watch } from "vue";
import { Refused } from "../../lib/api";
import { type Position, metresPerDegree } from "../../lib/earth";
import {
  ApplyBoundaryChangeDocument,
  type Datum,
  GridAtDocument,
  GridToEditDocument,
  GridsAroundDocument,
  type OutlinedFragment,
  PlanBoundaryChangeDocument,
  type PlanFragment,
  ToWgs84Document,
} from "../../lib/gql/graphql";
import { kept } from "../../lib/kept";
import { askAsMe } from "../answers";
import { dayAfter, today } from "../days";
import { type History, begun, learned, redone, undone, went } from "./history";
import { type Pasted, outlinesIn } from "./pasted";
import { Problem } from "./problem";
import {
  type Sheet,
  type SheetGrid,
  changedGrids,
  ended,
  inCommunity,
  inserted,
  merged,
  moved,
  onGrids,
  removed,
  renamed,
  restored,
  split,
  standing,
  swapped,
  withGrids,
} from "./sheet";
import { type Box, type Outline, at, boxOf, crossingOf, geometryOf, holds, isAt, middleOf, outlineOf, ringsOf } from "./shapes";

export type Plan = PlanFragment;
export type Tool = "corners" | "split" | "merge" | "draw" | "end";

/** The district that the sheet is of; null while no grid is on it. */
export const district = ref<{ code: string; name: string } | null>(null);
export const history = shallowRef<History<Sheet>>(begun([]));
export const sheet = computed(() => history.value.now);
export const changes = computed(() => changedGrids(sheet.value));
/** The code of the grid that is worked on; "" for a new one that is to be drawn. */
export const chosen = ref<string | null>(null);
export const chosenGrid = computed(() => sheet.value.find(({ code }) => code === chosen.value) ?? null);
export const tool = ref<Tool>("corners");
/** The corner that keys move. */
export const corner = shallowRef<Position | null>(null);
/** Whether neighbours' borders move with a corner that is theirs too. */
export const movesAlong = ref(true);
/** The grids beside that are to be merged into the one in hand. */
export const joining = ref<string[]>([]);
/** The line or the outline that is being drawn. */
export const drawn = shallowRef<readonly Position[]>([]);
/** What the sheet looks like while a corner is dragged. */
export const preview = shallowRef<Sheet | null>(null);

export const start = ref(dayAfter(today()));
export const groundMayChange = ref(false);
export const tolerance = ref(1);
export const reason = ref("");
export const plan = shallowRef<Plan | null>(null);
/** What the plan was made of, so that it is known to be of this drawing. */
const planned = ref("");
export const isPlanOfThis = computed(() => plan.value !== null && planned.value === draftText());
/** What the plan lies on has changed since. */
export const isStale = ref(false);

export const busy = ref<"grid" | "plan" | "apply" | null>(null);
export const problem = shallowRef<{ of: "choose" | "draw" | "paste" | "plan" | "apply"; error: unknown } | null>(null);
/** Where the drawing makes no outline. */
export const crossed = computed(() =>
  changes.value.flatMap(({ code, name, outline }) => {
    const place = outline && crossingOf(outline);
    return place ? [{ code, name, place }] : [];
  }),
);

// --- grids ------------------------------------------------------------------------------------

// Which of the choices is the last one; an answer to one before it takes nothing in hand.
let choice = 0;

/** Takes the grid in hand that lies there, if there is one. */
export async function chooseAt([longitude, latitude]: Position): Promise<void> {
  const mine = ++choice;
  await working("choose", "grid", async () => {
    const point = { longitude, latitude, datum: "WGS84" as const };
    const { locate } = await askAsMe(GridAtDocument, { point, on: start.value });
    if (locate.grid && mine === choice) await choose(locate.grid.code);
  });
}

/** Takes a grid in hand, with those around it. What goes wrong is in `problem`. */
export async function choose(code: string): Promise<void> {
  const mine = ++choice;
  const known = sheet.value.find((each) => each.code === code && each.outline && !each.isFixed);
  await working("choose", "grid", async () => {
    if (known?.before === null) return take(code);
    const { grid } = await askAsMe(GridToEditDocument, { code, on: start.value });
    if (mine !== choice) return;
    if (!grid) throw new Problem("noSuchGrid", null, { code });
    const outline = outlineOf(grid.boundary);
    if (!outline) throw new Problem("noSuchGrid", null, { code });
    if (district.value && district.value.code !== grid.district.code) {
      if (changes.value.length) throw new Problem("otherDistrict", null, { name: district.value.name });
      clear();
    }
    district.value = { code: grid.district.code, name: grid.district.name };
    await bringGrids(boxOf(outline, REACH_METRES));
    if (mine === choice) take(grid.code);
  });
}

/** Begins a new grid, to be drawn where the map shows. */
export function chooseNew(): void {
  choice += 1;
  chosen.value = "";
  tool.value = "draw";
  corner.value = null;
  drawn.value = [];
  problem.value = null;
}

export function letGo(): void {
  chosen.value = null;
  corner.value = null;
  drawn.value = [];
  problem.value = null;
}

const REACH_METRES = 500;

/** All grids there come onto the sheet; those of other districts stay as they are. */
export async function bringGrids(
  box: Box,
  middle: Position | null = null,
): Promise<void> {
  const found = await gridsWithin(box);
  // The sheet is of the district where the first outline is drawn.
  const there = found.find(({ boundary }) => middle && holds(outlineOf(boundary) ?? [], middle));
  const first = there ?? found[0];
  district.value ??= first ? { code: first.district.code, name: first.district.name } : null;
  const grids = found.map(onTheSheet).filter((each) => each !== null);
  history.value = learned(history.value, (state) => withGrids(state, grids));
}

async function gridsWithin([west, south, east, north]: Box) {
  const found: OutlinedFragment[] = [];
  let after: string | null = null;
  do {
    const bounds = { west, south, east, north };
    const { grids }: { grids: { nodes: OutlinedFragment[]; pageInfo: { hasNextPage: boolean; endCursor?: string | null } } } =
      await askAsMe(GridsAroundDocument, { bounds, on: start.value, after });
    found.push(...grids.nodes);
    after = grids.pageInfo.hasNextPage ? (grids.pageInfo.endCursor ?? null) : null;
  } while (after && found.length < MOST_GRIDS);
  return found;
}

const MOST_GRIDS = 600;

function around(boxes: readonly Box[]): Box {
  return [
    Math.min(...boxes.map((box) => box[0])),
    Math.min(...boxes.map((box) => box[1])),
    Math.max(...boxes.map((box) => box[2])),
    Math.max(...boxes.map((box) => box[3])),
  ];
}

function onTheSheet(grid: OutlinedFragment): SheetGrid | null {
  const outline = outlineOf(grid.boundary);
  if (!outline) return null;
  return standing(grid.code, grid.name, outline, grid.district.code !== district.value?.code);
}

function take(code: string): void {
  chosen.value = code;
  tool.value = "corners";
  corner.value = null;
  drawn.value = [];
  joining.value = [];
}

/** A grid beside that joins the one in hand, or no longer does. */
export function toggleJoining(code: string): void {
  const has = joining.value.includes(code);
  joining.value = has ? joining.value.filter((each) => each !== code) : [...joining.value, code];
}

// --- what is done to them ---------------------------------------------------------------------

/** Goes on to another sheet. Throws what the change throws. */
function go(change: (sheet: Sheet) => Sheet, isSameStep = false): void {
  const before = history.value;
  const now = change(before.now);
  history.value = isSameStep ? { ...before, now } : went(before, now);
  lastNudge = null;
  if (corner.value && !chosenCorners().some((each) => isAt(each, corner.value as Position))) corner.value = null;
}

function tried(work: () => void): void {
  problem.value = null;
  try {
    work();
  } catch (error) {
    problem.value = { of: "draw", error };
  }
}

let lastNudge: Position | null = null;

export function moveCorner(from: Position, to: Position): void {
  tried(() => {
    go((now) => moved(now, from, to, along()));
    corner.value = to;
  });
}

/** What a corner's move would make of the sheet. */
export function previewMove(from: Position, to: Position): void {
  preview.value = moved(sheet.value, from, to, along());
}

/** Moves the corner by some metres; one after the other is one step to undo. */
export function nudge(east: number, north: number): void {
  const from = corner.value;
  if (!from) return;
  const [across, up] = metresPerDegree(from[1]);
  const to: Position = [from[0] + east / across, from[1] + north / up];
  const isSameStep = lastNudge !== null && isAt(lastNudge, from);
  tried(() => {
    go((now) => moved(now, from, to, along()), isSameStep);
    corner.value = to;
    lastNudge = to;
  });
}

export function insertCorner(a: Position, b: Position, place?: Position): void {
  const middle: Position = place ?? [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2];
  tried(() => {
    go((now) => inserted(now, a, b, middle));
    corner.value = middle;
  });
}

/** A corner more, half-way from this one to the next. */
export function insertAfterCorner(): void {
  const here = corner.value;
  for (const ring of ringsOf(chosenGrid.value?.outline ?? [])) {
    const i = here ? ring.findIndex((each) => isAt(each, here)) : -1;
    if (i >= 0) return insertCorner(at(ring, i), at(ring, i + 1));
  }
}

export function removeCorner(): void {
  const place = corner.value;
  if (!place) return;
  const all = chosenCorners();
  const i = all.findIndex((each) => isAt(each, place));
  tried(() => {
    go((now) => removed(now, place, along()));
    corner.value = chosenCorners()[Math.max(0, i - 1)] ?? null;
  });
}

export function chosenCorners(): readonly Position[] {
  return chosenGrid.value?.outline?.flat(2) ?? [];
}

/** The corner that comes so many after the one that is held. */
export function stepCorner(by: number): void {
  const all = chosenCorners();
  const here = corner.value;
  const i = here ? all.findIndex((each) => isAt(each, here)) : by > 0 ? -1 : 0;
  corner.value = all[(i + by + all.length) % all.length] ?? null;
}

function along() {
  return movesAlong.value ? "all" : (chosen.value ?? "all");
}

/** Cuts the grid by the line that was drawn. */
export function splitChosen(name: string): void {
  const code = chosen.value;
  if (!code) return;
  tried(() => {
    if (!name.trim()) throw new Problem("noName");
    go((now) => split(now, code, drawn.value, name.trim()));
    drawn.value = [];
  });
}

export function swapGround(one: string, other: string): void {
  tried(() => go((now) => swapped(now, one, other)));
}

export function mergeInto(code: string, others: readonly string[]): void {
  tried(() => {
    go((now) => merged(now, code, others));
    chosen.value = code;
  });
}

export function endChosen(): void {
  const code = chosen.value;
  if (!code) return;
  tried(() => {
    go((now) => ended(now, code));
    groundMayChange.value = true;
    letGo();
  });
}

export function rename(code: string, name: string): void {
  if (name.trim()) tried(() => go((now) => renamed(now, code, name.trim())));
}

/** Says which community a new grid is of; "" for that from which it has most of its ground. */
export function putInto(code: string, community: string): void {
  tried(() => go((now) => inCommunity(now, code, community.trim() || null)));
}

export function restore(code: string): void {
  tried(() => go((now) => restored(now, code)));
}

export function undo(): void {
  history.value = undone(history.value);
  preview.value = null;
  if (!chosenGrid.value?.outline && chosen.value) letGo();
}

export function redo(): void {
  history.value = redone(history.value);
}

/** Takes the ring that was drawn as the outline of the grid in hand, or of a new one. */
export async function useDrawn(name: string, giveWay: boolean): Promise<void> {
  const ring = drawn.value;
  await working("draw", "grid", async () => {
    if (ring.length < 3) throw new Problem("tooFewCorners", ring[0] ?? null);
    const outline = outlineOf({ type: "Polygon", coordinates: [[...ring, ...ring.slice(0, 1)].map((each) => [...each])] });
    if (!outline?.length) throw new Problem("tooFewCorners", ring[0] ?? null);
    const place = crossingOf(outline);
    if (place) throw new Problem("crossesItself", place, { n: 1 });
    await put([{ code: chosen.value || null, name, outline }], giveWay);
    drawn.value = [];
  });
}

/** Takes the outlines of a GeoJSON text. Those without a code are of the grid in hand, or new. */
export async function usePasted(
  text: string,
  datum: Datum,
  name: string,
  giveWay: boolean,
): Promise<boolean> {
  return working("paste", "grid", async () => {
    const found = outlinesIn(text);
    const outlines = await inWgs84(found, datum);
    const one = found.length === 1;
    await put(
      found.map((each, i) => ({
        code: each.code ?? (one ? chosen.value || null : null),
        name: each.name ?? (one ? name : ""),
        outline: outlines[i] ?? [],
      })),
      giveWay,
    );
  });
}

async function put(
  outlines: readonly { code: string | null; name: string; outline: Outline }[],
  giveWay: boolean,
): Promise<void> {
  const named = outlines.flatMap(({ code }) => code ?? []);
  const twice = named.find((code, i) => named.indexOf(code) !== i);
  if (twice) throw new Problem("codeTwice", null, { code: twice });
  if (outlines.some(({ code, name }) => code === null && !name.trim())) throw new Problem("noName");
  const boxes = outlines.map(({ outline }) => boxOf(outline, REACH_METRES));
  await bringGrids(around(boxes), outlines[0] ? middleOf(outlines[0].outline) : null);
  for (const code of named) await bringGrid(code);
  const { withDrawn } = await import("./clipping");
  let codes: string[] = [];
  go((now) => {
    const done = withDrawn(now, outlines, giveWay);
    codes = done.codes;
    return done.sheet;
  });
  take(codes[0] ?? "");
}

/** The grid comes onto the sheet, wherever it lies. Throws Problem where there is none to redraw. */
async function bringGrid(code: string): Promise<void> {
  let there = sheet.value.find((each) => each.code === code);
  if (!there) {
    const { grid } = await askAsMe(GridToEditDocument, { code, on: start.value });
    const outline = grid && outlineOf(grid.boundary);
    if (!outline) throw new Problem("noSuchGrid", null, { code });
    await bringGrids(boxOf(outline, REACH_METRES));
    there = sheet.value.find((each) => each.code === code);
  }
  if (!there || there.isFixed) throw new Problem("notOfDistrict", null, { code, name: district.value?.name ?? "" });
}

async function inWgs84(found: readonly Pasted[], datum: Datum): Promise<Outline[]> {
  if (datum === "WGS84") return found.map(({ outline }) => outline);
  const places = found.flatMap(({ outline }) => outline.flat(2));
  const moved: Position[] = [];
  for (let i = 0; i < places.length; i += 5_000) {
    const points = places
      .slice(i, i + 5_000)
      .map(([longitude, latitude]) => ({ longitude, latitude, datum }));
    const { locateMany } = await askAsMe(ToWgs84Document, { points });
    for (const { point } of locateMany) moved.push([point.longitude, point.latitude]);
  }
  let i = 0;
  return found.map(({ outline }) =>
    outline.map((polygon) => polygon.map((ring) => ring.map((place) => moved[i++] ?? place))),
  );
}

/** Gives a piece of ground to a grid. */
export async function giveGround(code: string, piece: Outline): Promise<void> {
  await working("draw", "grid", async () => {
    const { withGround } = await import("./clipping");
    go((now) => withGround(now, code, piece));
  });
}

// --- the plan ---------------------------------------------------------------------------------

/** What the server is told. */
function input() {
  return {
    from: start.value,
    grids: changes.value.flatMap(({ code, name, nameBefore, community, before, outline, together }) =>
      outline
        ? [
            {
              ...(code.startsWith("#") ? {} : { code }),
              ...(name === nameBefore ? {} : { name }),
              ...(before === null && community ? { community } : {}),
              ...(together ? { together: [...together] } : { outline: geometryOf(outline) }),
            },
          ]
        : [],
    ),
    ends: changes.value.flatMap(({ code, outline }) => (outline ? [] : [code])),
    datum: "WGS84" as const,
    tolerance: tolerance.value,
    groundMayChange: groundMayChange.value,
  };
}

function draftText(): string {
  return JSON.stringify(input());
}

/** Asks the server what would become of it all. */
export async function makePlan(): Promise<void> {
  await working("plan", "plan", async () => {
    if (changes.value.length === 0) throw new Problem("nothingChanged");
    const asked = input();
    // One that is refused leaves none: what was shown before is not true any more.
    plan.value = null;
    const answer = await askAsMe(PlanBoundaryChangeDocument, { input: asked });
    plan.value = answer.planBoundaryChange;
    planned.value = JSON.stringify(asked);
    isStale.value = false;
  });
}

/** Plans anew on the grids as they are now; what was drawn stays. */
export async function planAnew(): Promise<void> {
  const boxes = sheet.value.flatMap(({ outline, before }) => [outline, before].flatMap((each) => (each ? [boxOf(each)] : [])));
  const done = await working("plan", "plan", async () => {
    if (boxes.length === 0) return;
    const found = await gridsWithin(around(boxes));
    const grids = found.map(onTheSheet).filter((each) => each !== null);
    history.value = begun(onGrids(sheet.value, grids));
  });
  if (done) await makePlan();
}

/** Applies what the plan has shown. Gives whether it was. */
export async function applyPlan(): Promise<boolean> {
  const { id } = plan.value ?? {};
  if (!id) return false;
  return working("apply", "apply", async () => {
    try {
      const answer = await askAsMe(
        ApplyBoundaryChangeDocument,
        { input: { plan: id, reason: reason.value } },
      );
      clear();
      plan.value = answer.applyBoundaryChange.plan;
    } catch (error) {
      isStale.value = error instanceof Refused && error.code === "CONFLICT";
      throw error;
    }
  });
}

/** Whether it went well; what went wrong is in `problem`. */
async function working(
  of: NonNullable<typeof problem.value>["of"],
  what: NonNullable<typeof busy.value>,
  work: () => Promise<void>,
): Promise<boolean> {
  problem.value = null;
  busy.value = what;
  try {
    await work();
    return true;
  } catch (error) {
    if (!(error instanceof Problem || error instanceof Refused)) console.error(error);
    problem.value = { of, error };
    return false;
  } finally {
    busy.value = null;
  }
}

// --- the draft --------------------------------------------------------------------------------

/** Throws the drawing away. */
export function clear(): void {
  history.value = begun([]);
  district.value = null;
  plan.value = null;
  planned.value = "";
  isStale.value = false;
  reason.value = "";
  groundMayChange.value = false;
  letGo();
  void kept.putWord(NAME, null).catch(() => {});
}

const NAME = "boundary-draft";

interface Draft {
  district: { code: string; name: string } | null;
  sheet: Sheet;
  chosen: string | null;
  start: string;
  reason: string;
  groundMayChange: boolean;
  tolerance: number;
}

let isRestored = false;

/** Brings back what was drawn and neither applied nor thrown away; gives whether there was any. */
export async function bringBack(): Promise<boolean> {
  if (isRestored) return false;
  isRestored = true;
  const draft = await kept.word<Draft | null>(NAME).catch(() => null);
  if (draft && sheet.value.length === 0) {
    district.value = draft.district;
    history.value = begun(draft.sheet);
    chosen.value = draft.chosen;
    start.value = draft.start < today() ? today() : draft.start;
    reason.value = draft.reason;
    groundMayChange.value = draft.groundMayChange;
    tolerance.value = draft.tolerance;
  }
  watch([history, chosen, start, reason, groundMayChange, tolerance], keep);
  return draft !== null && draft !== undefined;
}

let keeping: ReturnType<typeof setTimeout> | undefined;

function keep(): void {
  clearTimeout(keeping);
  keeping = setTimeout(() => {
    if (changes.value.length === 0) return void kept.putWord(NAME, null).catch(() => {});
    const draft: Draft = {
      district: district.value && { ...district.value },
      sheet: sheet.value,
      chosen: chosen.value,
      start: start.value,
      reason: reason.value,
      groundMayChange: groundMayChange.value,
      tolerance: tolerance.value,
    };
    // A browser that keeps nothing has it as long as the page is open.
    void kept.putWord(NAME, JSON.parse(JSON.stringify(draft))).catch(() => {});
  }, 300);
}

// Of another day other grids may be the ones that hold.
watch(start, async () => {
  if (sheet.value.length === 0 || !start.value) return;
  const boxes = sheet.value.flatMap(({ before }) => (before ? [boxOf(before)] : []));
  if (boxes.length === 0) return;
  await working("plan", "grid", async () => {
    const found = await gridsWithin(around(boxes));
    const grids = found.map(onTheSheet).filter((each) => each !== null);
    history.value = learned(history.value, (state) => onGrids(state, grids));
  });
});
