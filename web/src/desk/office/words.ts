// Adds the words of the office's panel, which come with it and not with the page.

import { i18n } from "../language";
import { enOffice, zhOffice } from "../messages_office";

i18n.global.mergeLocaleMessage("zh", zhOffice);
i18n.global.mergeLocaleMessage("en", enOffice);

/** By when a report is to go on: the soonest of its deadlines that run. */
export function dueOf(report: { state: string; deadline?: string | null; stepDeadline?: string | null }): string | null {
  const running = report.state === "SUSPENDED" ? [report.stepDeadline] : [report.deadline, report.stepDeadline];
  const times = running.flatMap((each) => (each ? [each] : []));
  return times.sort((one, other) => Date.parse(one) - Date.parse(other))[0] ?? null;
}
