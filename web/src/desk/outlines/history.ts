// What was, so that it can be undone, and what was undone.

export interface History<State> {
  readonly past: readonly State[];
  readonly now: State;
  readonly future: readonly State[];
}

const MOST = 200;

export function begun<State>(now: State): History<State> {
  return { past: [], now, future: [] };
}

/** With another state; what was undone before is gone. */
export function went<State>(history: History<State>, now: State): History<State> {
  if (now === history.now) return history;
  return { past: [...history.past, history.now].slice(-MOST), now, future: [] };
}

export function undone<State>({ past, now, future }: History<State>): History<State> {
  const before = past[past.length - 1];
  if (before === undefined) return { past, now, future };
  return { past: past.slice(0, -1), now: before, future: [now, ...future] };
}

export function redone<State>({ past, now, future }: History<State>): History<State> {
  const [next, ...more] = future;
  if (next === undefined) return { past, now, future };
  return { past: [...past, now], now: next, future: more };
}

/** Every state, changed alike: for what is learned and not done. */
export function learned<State>(
  { past, now, future }: History<State>,
  change: (state: State) => State,
): History<State> {
  return { past: past.map(change), now: change(now), future: future.map(change) };
}
