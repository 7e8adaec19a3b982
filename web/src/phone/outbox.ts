// Reports on their way: kept on the phone until the server has answered, and sent once.
//
// A report keeps the id that was made with it, so that the server takes it once however often it is
// sent. Of several open pages one sends.

import { reactive, shallowRef } from "vue";
import { Refused, ask } from "../lib/api";
import { SubmitReportDocument } from "../lib/gql/graphql";
import { type Sent, type Waiting, kept } from "../lib/kept";
import { upload } from "./photos";

export const waiting = shallowRef<Waiting[]>([]);
export const sent = shallowRef<Sent[]>([]);
export const outbox = reactive({ sending: false });

const LONGEST_PAUSE = 60_000;
let pause = 2_000;
let timer: ReturnType<typeof setTimeout> | undefined;

/** Reads what is kept, and sends it whenever there is a network. */
export async function startOutbox(): Promise<void> {
  addEventListener("online", () => void sendAll());
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) void sendAll();
  });
  await read();
  await sendAll();
}

/** Keeps a report, and has it sent. Throws where the phone cannot keep it. */
export async function submit(report: Waiting): Promise<void> {
  await kept.wait(report);
  await read();
  void sendAll();
}

/** Sends a report that was refused again, without its photos. */
export async function sendWithoutPhotos(report: Waiting): Promise<void> {
  await kept.wait({ ...report, photos: [], input: { ...report.input, photos: [] }, refused: null });
  await read();
  await sendAll();
}

/** Takes a report off that is not to be sent. */
export async function forget(id: string): Promise<void> {
  await kept.drop(id);
  await read();
}

export async function remember(report: Sent): Promise<void> {
  await kept.putSent(report);
  await read();
}

let running: Promise<void> = Promise.resolve();

/** Sends what waits, the oldest first, until one cannot be sent. */
export function sendAll(): Promise<void> {
  running = running.then(alone).catch(() => {});
  return running;
}

async function alone(): Promise<void> {
  if ("locks" in navigator) await navigator.locks.request("gridmap-outbox", sendInTurn);
  else await sendInTurn();
}

async function sendInTurn(): Promise<void> {
  clearTimeout(timer);
  await read();
  const due = waiting.value.filter(({ refused }) => refused === null);
  if (due.length === 0 || !navigator.onLine) return;
  outbox.sending = true;
  try {
    for (const report of due) await send(report);
    pause = 2_000;
  } catch {
    timer = setTimeout(() => void sendAll(), pause);
    pause = Math.min(2 * pause, LONGEST_PAUSE);
  } finally {
    outbox.sending = false;
    await read();
  }
}

async function send(report: Waiting): Promise<void> {
  try {
    for (const { id, blob } of report.photos) await upload(id, blob);
    const { submitReport } = await ask(SubmitReportDocument, { input: report.input });
    await kept.send({
      id: report.id,
      sentAt: new Date().toISOString(),
      category: report.input.category,
      description: report.input.description,
      reply: submitReport,
    });
  } catch (error) {
    // What the server says no to would be refused again; the person is told, and may send it anew.
    if (!(error instanceof Refused) || error.isPassing || error.code === "INTERNAL") throw error;
    await kept.wait({ ...report, refused: error.message });
  }
}

async function read(): Promise<void> {
  waiting.value = (await kept.waiting()).sort((a, b) => (a.madeAt < b.madeAt ? -1 : 1));
  sent.value = (await kept.sent()).sort((a, b) => (a.sentAt > b.sentAt ? -1 : 1));
}
