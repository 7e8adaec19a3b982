// Coordinates as people paste them: "130.2870, 47.3600", "47.36 130.287", 130°17'13"E 47°21'36"N.

import type { Position } from "./earth";

// All of China lies within these degrees, so that longitude and latitude cannot be mistaken there.
const LONGITUDES = [72, 138] as const;
const LATITUDES = [0.8, 56] as const;

/** Longitude and latitude, in whatever order they were written; null for what are no coordinates. */
export function coordinatesIn(text: string): Position | null {
  const marked = [...text.matchAll(ANGLE)].map(angle);
  if (marked.length !== 2) return null;
  const [first, second] = marked as [Angle, Angle];
  if (first.axis && second.axis && first.axis !== second.axis) {
    return first.axis === "longitude"
      ? [first.degrees, second.degrees]
      : [second.degrees, first.degrees];
  }
  if (within(first.degrees, LONGITUDES) && within(second.degrees, LATITUDES)) {
    return [first.degrees, second.degrees];
  }
  if (within(second.degrees, LONGITUDES) && within(first.degrees, LATITUDES)) {
    return [second.degrees, first.degrees];
  }
  return null;
}

interface Angle {
  degrees: number;
  axis: "longitude" | "latitude" | null;
}

// Degrees, and perhaps minutes, seconds and a letter of the compass, before or after.
const ANGLE =
  /([NSEW东西南北])?\s*(-?\d+(?:\.\d+)?)\s*(?:[°度]\s*(?:(\d+(?:\.\d+)?)\s*['′’分]\s*)?(?:(\d+(?:\.\d+)?)\s*(?:["″”秒]|'')\s*)?)?\s*([NSEW东西南北])?/giu;

function angle(match: RegExpMatchArray): Angle {
  const [, before, whole, minutes, seconds, after] = match;
  const letter = (before ?? after)?.toUpperCase();
  const size = Math.abs(Number(whole)) + Number(minutes ?? 0) / 60 + Number(seconds ?? 0) / 3600;
  const isNegative = whole?.startsWith("-") || (letter !== undefined && "SW南西".includes(letter));
  return {
    degrees: isNegative ? -size : size,
    axis: letter === undefined ? null : "EW东西".includes(letter) ? "longitude" : "latitude",
  };
}

function within(degrees: number, [least, most]: readonly [number, number]): boolean {
  return degrees >= least && degrees <= most;
}
