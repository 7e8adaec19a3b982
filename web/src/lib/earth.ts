// Short distances on the earth, WGS 84. Positions are [longitude, latitude] in degrees.

import type { Feature, Polygon } from "geojson";

export type Position = readonly [longitude: number, latitude: number];

const RADIANS = Math.PI / 180;

/** Metres that one degree of longitude and of latitude has there, on the ellipsoid. */
export function metresPerDegree(latitude: number): readonly [number, number] {
  const a = 6_378_137;
  const e2 = 0.006_694_379_990_141_3;
  const sine = Math.sin(latitude * RADIANS);
  const w2 = 1 - e2 * sine * sine;
  const across = (a * Math.cos(latitude * RADIANS)) / Math.sqrt(w2);
  return [across * RADIANS, ((a * (1 - e2)) / (w2 * Math.sqrt(w2))) * RADIANS];
}

/** Metres between two places that are some kilometres apart at most. */
export function metresBetween(from: Position, to: Position): number {
  const [x, y] = metresPerDegree((from[1] + to[1]) / 2);
  return Math.hypot((to[0] - from[0]) * x, (to[1] - from[1]) * y);
}

/** Metres from a place to the stretch between two others, all of them near. */
export function metresToStretch(place: Position, from: Position, to: Position): number {
  const [x, y] = metresPerDegree(place[1]);
  const ax = (from[0] - place[0]) * x;
  const ay = (from[1] - place[1]) * y;
  const dx = (to[0] - from[0]) * x;
  const dy = (to[1] - from[1]) * y;
  const length2 = dx * dx + dy * dy;
  const along = length2 ? Math.min(1, Math.max(0, -(ax * dx + ay * dy) / length2)) : 0;
  return Math.hypot(ax + along * dx, ay + along * dy);
}

/** A circle as a polygon of 64 corners. `radius`: metres. */
export function circle(centre: Position, radius: number): Feature<Polygon> {
  const [x, y] = metresPerDegree(centre[1]);
  const ring = Array.from({ length: 65 }, (_, i) => {
    const angle = ((i % 64) / 32) * Math.PI;
    return [
      centre[0] + (radius * Math.cos(angle)) / x,
      centre[1] + (radius * Math.sin(angle)) / y,
    ];
  });
  return {
    type: "Feature",
    properties: {},
    geometry: { type: "Polygon", coordinates: [ring] },
  };
}
