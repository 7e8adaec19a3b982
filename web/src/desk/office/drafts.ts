// What was typed for an action upon a report and is not done yet.

import { reactive } from "vue";
import type { Deed } from "./deeds";

export interface Draft {
  note: string;
  /** The code of a grid. */
  grid: string;
  /** What kind and which, with a blank between. */
  handler: string;
  search: string;
  /** The number of a report. */
  into: string;
  day: string;
  /** As 2026-03-01T17:30, in China. */
  moment: string;
}

const drafts = new Map<string, Draft>();

export function draftOf(report: string, deed: Deed): Draft {
  const key = `${report} ${deed}`;
  const kept = drafts.get(key) ?? reactive({ note: "", grid: "", handler: "", search: "", into: "", day: "", moment: "" });
  drafts.set(key, kept);
  return kept;
}

export function forgetDraft(report: string, deed: Deed): void {
  drafts.delete(`${report} ${deed}`);
}
