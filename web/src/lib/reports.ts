// What both pages know of reports.

interface Deadlines {
  state: string;
  deadline: string | null;
  stepDeadline: string | null;
}

/** By when an open report is to go on: the soonest of its deadlines. While it is suspended its own
 * does not run. The server lists by the same (NEXT_DEADLINE). */
export function dueOf({ state, deadline, stepDeadline }: Deadlines): string | null {
  const running = state === "SUSPENDED" ? [stepDeadline] : [deadline, stepDeadline];
  const times = running.filter((each) => each !== null);
  return times.sort((one, other) => Date.parse(one) - Date.parse(other))[0] ?? null;
}
