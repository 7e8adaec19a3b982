// What the phone keeps: reports that wait to be sent, those that were, packs, and a few words.

import { type DBSchema, openDB } from "idb";
import type { SubmitReportInput, SubmitReportMutation } from "./gql/graphql";
import type { Pack } from "./pack";

/** A report that is not sent yet. `refused` is what the server said against it. */
export interface Waiting {
  id: string;
  input: SubmitReportInput;
  photos: { id: string; blob: Blob }[];
  madeAt: string;
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
}

interface Kept extends DBSchema {
  waiting: { key: string; value: Waiting };
  sent: { key: string; value: Sent };
  packs: { key: string; value: Pack };
  words: { key: string; value: unknown };
}

const opened = openDB<Kept>("gridmap", 1, {
  upgrade(database) {
    database.createObjectStore("waiting", { keyPath: "id" });
    database.createObjectStore("sent", { keyPath: "id" });
    database.createObjectStore("packs", { keyPath: "district" });
    database.createObjectStore("words");
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

  packs: async () => (await opened).getAll("packs"),
  putPack: async (pack: Pack) => (await opened).put("packs", pack),
  word: async <Value>(name: string) => (await (await opened).get("words", name)) as Value | undefined,
  putWord: async (name: string, value: unknown) => (await opened).put("words", value, name),
};
