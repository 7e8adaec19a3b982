// Visits to buildings: logged by a tap, kept on the phone until the server has answered, and sent
// once each, by the one whose visits they are.

import { shallowRef, watch } from "vue";
import { Refused, ask } from "../lib/api";
import { LogVisitDocument, type VisitKind } from "../lib/gql/graphql";
import { newId } from "../lib/ids";
import { type WaitingVisit, kept } from "../lib/kept";
import { myToken, openSession, viewer } from "../lib/session";

export const KINDS: VisitKind[] = ["VISIT", "OPINIONS", "POLICY", "ERRAND"];

export const waitingVisits = shallowRef<WaitingVisit[]>([]);
/** What was logged since the page was opened, by the building's code. */
export const loggedVisits = shallowRef<Record<string, { kind: VisitKind; at: string }>>({});

const TWO_TAPS = 10_000;
const LONGEST_PAUSE = 60_000;
const taps = new Map<string, number>();
let pause = 2_000;
let timer: ReturnType<typeof setTimeout> | undefined;

/** Reads what is kept, and sends it whenever there is a network and its worker is here. */
export async function startVisits(): Promise<void> {
  addEventListener("online", () => void sendVisits());
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) void sendVisits();
  });
  watch(viewer, () => void sendVisits());
  await read();
  if (waitingVisits.value.length) await openSession().catch(() => {});
  await sendVisits();
}

/** Logs a visit now; false where it is the same tap again. Throws where the phone cannot keep it. */
export async function logVisit(building: string, kind: VisitKind, note: string): Promise<boolean> {
  const tapped = `${building} ${kind}`;
  const before = taps.get(tapped) ?? 0;
  taps.set(tapped, Date.now());
  if (Date.now() - before < TWO_TAPS) return false;
  const input = { id: newId(), building, kind, at: new Date().toISOString(), note };
  try {
    await kept.putVisit({ id: input.id, input, subject: subject(), refused: null });
  } catch (error) {
    taps.delete(tapped); // so that the next tap is no second one
    throw error;
  }
  await read();
  void sendVisits();
  return true;
}

/** Takes a visit off that the server refused. */
export async function forgetVisit(id: string): Promise<void> {
  await kept.dropVisit(id);
  await read();
}

let running: Promise<void> = Promise.resolve();

function sendVisits(): Promise<void> {
  running = running.then(alone).catch(() => {});
  return running;
}

async function alone(): Promise<void> {
  if ("locks" in navigator) await navigator.locks.request("gridmap-visits", sendInTurn);
  else await sendInTurn();
}

async function sendInTurn(): Promise<void> {
  clearTimeout(timer);
  await read();
  if (!viewer.value || !navigator.onLine) return;
  const due = waitingVisits.value.filter((each) => !each.refused && each.subject === subject());
  try {
    for (const visit of due) await send(visit);
    pause = 2_000;
  } catch {
    timer = setTimeout(() => void sendVisits(), pause);
    pause = Math.min(2 * pause, LONGEST_PAUSE);
  } finally {
    await read();
  }
}

// The server's word that no later attempt would change.
const FINAL = ["INVALID", "FORBIDDEN", "NOT_FOUND", "CONFLICT", "TOO_LARGE"];

async function send(visit: WaitingVisit): Promise<void> {
  const { building, kind, at } = visit.input;
  try {
    await ask(LogVisitDocument, { input: visit.input }, myToken);
    loggedVisits.value = { ...loggedVisits.value, [building]: { kind, at: String(at) } };
    await kept.dropVisit(visit.id);
  } catch (error) {
    if (!(error instanceof Refused && FINAL.includes(error.code))) throw error;
    await kept.putVisit({ ...visit, refused: error.message });
  }
}

function subject(): string {
  return viewer.value?.subject ?? "";
}

async function read(): Promise<void> {
  waitingVisits.value = await kept.visits();
}
