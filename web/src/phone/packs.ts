// The districts' grids that the phone keeps, so that "which grid am I in" needs no network.

import { shallowRef } from "vue";
import { base } from "../lib/api";
import type { Position } from "../lib/earth";
import { kept } from "../lib/kept";
import { type Pack, type PackAnswer, type PackChange, boundsOf, changed, locateIn } from "../lib/pack";

/** What is kept, the district that was asked for last first. */
export const packs = shallowRef<Pack[]>([]);

export const packsRead = kept
  .packs()
  .then((all) => {
    packs.value = all;
  })
  .catch(() => {});

/** Fetches what has changed of a district, or all of it the first time. Never fails: it may wait. */
export async function refreshPack(district: string): Promise<void> {
  await packsRead;
  if (!navigator.onLine) return;
  const old = packs.value.find((each) => each.district === district);
  const address = new URL(`packs/${encodeURIComponent(district)}.json`, base);
  if (old) address.searchParams.set("since", old.version);
  try {
    const answer = await fetch(address, {
      headers: old ? { "if-none-match": `"${old.version}"` } : {},
      cache: "no-store",
      signal: AbortSignal.timeout(60_000),
    });
    if (answer.status === 304 && old) return put(old);
    if (!answer.ok) return;
    const told = (await answer.json()) as Pack | PackChange;
    const whole = old && "since" in told ? changed(old, told) : (told as Pack);
    put(whole);
    await kept.putPack(whole);
  } catch {
    // Without a network, what is kept stays.
  }
}

/** The answer of the first district that has a grid there, or else of the first in whose middle it is. */
export async function locateOffline(
  point: Position,
  accuracy: number,
): Promise<{ pack: Pack; answer: PackAnswer } | null> {
  await packsRead;
  const answers = packs.value
    .filter((pack) => pack.grids.length > 0 && isWithin(boundsOf(pack), point))
    .map((pack) => ({ pack, answer: locateIn(pack, point, accuracy) }));
  return answers.find(({ answer }) => answer.outcome !== "OUTSIDE") ?? answers[0] ?? null;
}

function put(pack: Pack): void {
  packs.value = [pack, ...packs.value.filter(({ district }) => district !== pack.district)];
}

function isWithin(bounds: readonly number[], [x, y]: Position): boolean {
  const [west, south, east, north] = bounds as [number, number, number, number];
  return x >= west && x <= east && y >= south && y <= north;
}
