// Where the person is, and what is known of the place; shared by the pages.

import { reactive, shallowRef } from "vue";
import { Refused, ask } from "../lib/api";
import type { Position } from "../lib/earth";
import { type Datum, LocateDocument, type LocateQuery, type LocationOutcome } from "../lib/gql/graphql";
import { outline } from "../lib/pack";
import { categories, readCategories } from "./categories";
import { locateOffline, refreshPack } from "./packs";

/** A position as it was given. `accuracy`: metres, null for a point that was set. */
export interface Place {
  longitude: number;
  latitude: number;
  datum: Datum;
  accuracy: number | null;
  by: "device" | "hand" | "paste";
}

type Located = LocateQuery["locate"];
export type FoundGrid = Pick<
  NonNullable<Located["grid"]>,
  "code" | "name" | "boundary" | "community" | "workers"
> & { street: { name: string } | null };

/** What is known of a place, from the server or from a pack. */
export interface Answer {
  outcome: LocationOutcome;
  /** WGS 84. */
  position: Position;
  grid: FoundGrid | null;
  candidates: { grid: FoundGrid; share: number | null; distance: number }[];
  distanceToBoundary: number | null;
  building: Located["building"];
  sponsor: Located["sponsor"];
  pack: { district: string; day: string; error: number } | null;
}

export type Trouble =
  | { kind: "denied" | "timeout" | "unavailable" | "needsNetwork" | "noPack" }
  | { kind: "coarse"; metres: number }
  | { kind: "failed"; reason: string };

export const where = reactive({
  place: null as Place | null,
  busy: null as "locating" | "asking" | null,
  trouble: null as Trouble | null,
});
export const answer = shallowRef<Answer | null>(null);

// The server takes circles of up to ten kilometres.
const COARSEST_METRES = 10_000;
const PATIENCE_MILLISECONDS = 15_000;

let asked = 0;

/** Asks the device where it is, and then what is there, unless another place is set meanwhile. */
export async function locateDevice(): Promise<void> {
  if (where.busy) return;
  const number = ++asked;
  where.busy = "locating";
  where.trouble = null;
  try {
    const { coords } = await devicePosition();
    if (number !== asked) return;
    if (coords.accuracy > COARSEST_METRES) {
      where.trouble = { kind: "coarse", metres: coords.accuracy };
      return;
    }
    await setPlace({
      longitude: coords.longitude,
      latitude: coords.latitude,
      datum: "WGS84",
      accuracy: coords.accuracy,
      by: "device",
    });
  } catch (error) {
    if (number === asked) where.trouble = { kind: positionTrouble(error) };
  } finally {
    if (where.busy === "locating") where.busy = null;
  }
}

/** Says where the person is, and asks what is there: the server, or without it what is kept. */
export async function setPlace(place: Place): Promise<void> {
  const number = ++asked;
  where.place = place;
  where.trouble = null;
  where.busy = "asking";
  try {
    const found = await answerOf(place);
    if (number === asked) answer.value = found;
  } catch (error) {
    if (number !== asked) return;
    answer.value = null;
    where.trouble = error instanceof Untold ? { kind: error.kind } : told(error);
  } finally {
    if (number === asked) where.busy = null;
  }
}

// What the phone said without a network, the server knows better.
addEventListener("online", () => {
  if (where.place && !where.busy && (answer.value?.pack || where.trouble)) void setPlace(where.place);
});

class Untold extends Error {
  constructor(readonly kind: "needsNetwork" | "noPack") {
    super(kind);
  }
}

async function answerOf(place: Place): Promise<Answer> {
  const { by: _, ...point } = place;
  try {
    const { locate } = await ask(LocateDocument, { point });
    const district = locate.grid?.district ?? locate.candidates[0]?.grid.district;
    if (district) void refreshPack(district.code);
    // So that a report can be made without a network though none was made before.
    if (!categories.value.length) void readCategories();
    return {
      ...locate,
      position: [locate.point.longitude, locate.point.latitude],
      pack: null,
    };
  } catch (error) {
    if (!(error instanceof Refused && error.isPassing)) throw error;
    return answerOffline(place);
  }
}

async function answerOffline(place: Place): Promise<Answer> {
  // CGCS2000 is the same to a few centimetres; what the other datums shift, the server knows.
  if (place.datum !== "WGS84" && place.datum !== "CGCS2000") throw new Untold("needsNetwork");
  const position: Position = [place.longitude, place.latitude];
  const found = await locateOffline(position, place.accuracy ?? 0);
  if (!found) throw new Untold("noPack");
  const { pack, answer: located } = found;
  const grids = located.candidates.map(({ grid, distance }) => ({
    share: null,
    distance,
    grid: {
      code: grid.code,
      name: grid.name,
      boundary: outline(grid),
      community: { name: grid.community },
      street: null,
      workers: grid.workers.map((name) => ({ name })),
    },
  }));
  return {
    outcome: located.outcome,
    position,
    grid: grids.find(({ grid }) => grid.code === located.grid?.code)?.grid ?? null,
    candidates: grids,
    distanceToBoundary: null,
    building: null,
    sponsor: null,
    pack: { district: pack.name, day: pack.day, error: pack.error },
  };
}

function told(error: unknown): Trouble {
  return { kind: "failed", reason: error instanceof Error ? error.message : String(error) };
}

function devicePosition(): Promise<GeolocationPosition> {
  return new Promise((resolve, reject) => {
    if (!("geolocation" in navigator)) {
      reject(new Error("no geolocation"));
      return;
    }
    navigator.geolocation.getCurrentPosition(resolve, reject, {
      enableHighAccuracy: true,
      timeout: PATIENCE_MILLISECONDS,
      maximumAge: 0, // whoever asks again has moved, or wants to know better
    });
  });
}

function positionTrouble(error: unknown): "denied" | "timeout" | "unavailable" {
  const code = (error as Partial<GeolocationPositionError>).code;
  return code === 1 ? "denied" : code === 3 ? "timeout" : "unavailable";
}
