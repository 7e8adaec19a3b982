// What the phone keeps: reports and visits that wait to be sent, reports that were, packs, and a few words.

import { type DBSchema, openDB } from "idb";
import type { LogVisitInput, SubmitReportInput, SubmitReportMutation } from "./gql/graphql";
import type { Pack } from "./pack";

/** A report that is not sent yet. `refused` is what the server said against it. */
export interface Waiting {
  id: string;
  input: SubmitReportInput;
  photos: { id: string; blob: Blob }[];
  madeAt: string;
  refused: string | null;
}

/** A visit that is not sent yet, of the worker who is `subject`. */
export interface WaitingVisit {
  id: string;
  input: LogVisitInput;
  subject: string;
  refused: string | null;
}

export type Reply = SubmitReportMutation["submitReport"];

/** A report that the server has. */
export interface Sent {
  id: string;
  sentAt: string;
  category: string;
  description: string;
  reply: Reply;
  /** The number of the report that it was joined to from here. */
  joined?: string;
}

interface Kept extends DBSchema {
  waiting: { key: string; value: Waiting };
  sent: { key: string; value: Sent };
  visits: { key: string; value: WaitingVisit };
  packs: { key: string; value: Pack };
  words: { key: string; value: unknown };
}

const opened = openDB<Kept>("gridmap", 2, {
  upgrade(database, before) {
    if (before < 1) {
      database.createObjectStore("waiting", { keyPath: "id" });
      database.createObjectStore("sent", { keyPath: "id" });
      database.createObjectStore("packs", { keyPath: "district" });
      database.createObjectStore("words");
    }
    database.createObjectStore("visits", { keyPath: "id" });
  },
});

export const kept = {
  waiting: async () => (await opened).getAll("waiting"),
  wait: async (report: Waiting) => (await opened).put("waiting", report),
  drop: async (id: string) => (await opened).delete("waiting", id),
  sent: async () => (await opened).getAll("sent"),
  putSent: async (report: Sent) => (await opened).put("sent", report),

  /** From waiting to sent, both or neither. */
  async send(report: Sent): Promise<void> {
    const both = (await opened).transaction(["waiting", "sent"], "readwrite");
    await Promise.all([
      both.objectStore("waiting").delete(report.id),
      both.objectStore("sent").put(report),
      both.done,
    ]);
  },

  visits: async () => (await opened).getAll("visits"),
  putVisit: async (visit: WaitingVisit) => (await opened).put("visits", visit),
  dropVisit: async (id: string) => (await opened).delete("visits", id),

  packs: async () => (await opened).getAll("packs"),
  putPack: async (pack: Pack) => (await opened).put("packs", pack),
  word: async <Value>(name: string) => (await (await opened).get("words", name)) as Value | undefined,
  putWord: async (name: string, value: unknown) => (await opened).put("words", value, name),

  /** All or none: a page that is closed meanwhile keeps no half. */
  async putWords(words: Record<string, unknown>): Promise<void> {
    const all = (await opened).transaction("words", "readwrite");
    await Promise.all([
      ...Object.entries(words).map(([name, value]) => all.store.put(value, name)),
      all.done,
    ]);
  },
};
