// Outlines as other programs write them: GeoJSON of one grid or of several.

import type { Feature, Geometry } from "geojson";
import type { Position } from "../../lib/earth.ts";
import { Problem } from "./problem.ts";
import { type Outline, crossingOf, geometryOf, outlineOf } from "./shapes.ts";
import type { SheetGrid } from "./sheet.ts";

export interface Pasted {
  /** As it is written beside the outline; null where it is not. */
  code: string | null;
  name: string | null;
  outline: Outline;
}

/** The outlines of a GeoJSON text, in the datum that they have there. Throws Problem. */
export function outlinesIn(text: string): Pasted[] {
  let said: unknown;
  try {
    said = JSON.parse(text);
  } catch {
    throw new Problem("noJson");
  }
  const features = featuresOf(said);
  if (features.length === 0) throw new Problem("noOutlines");
  return features.map(({ geometry, properties }, i) => {
    const n = i + 1;
    const outline = readable(geometry, n);
    if (!outline || outline.length === 0) throw new Problem("noPolygon", null, { n });
    for (const place of outline.flat(2)) check(place, n);
    const crossed = crossingOf(outline);
    if (crossed) throw new Problem("crossesItself", crossed, { n });
    return { code: word(properties?.code), name: word(properties?.name), outline };
  });
}

function readable(geometry: Geometry, n: number): Outline | null {
  try {
    return outlineOf(geometry);
  } catch {
    // It calls itself a polygon, and has something else for its rings.
    throw new Problem("noPolygon", null, { n });
  }
}

/** The grids as a text that outlinesIn reads, and other programs do. */
export function written(grids: readonly SheetGrid[]): string {
  const features = grids.flatMap(({ code, name, outline }): Feature[] =>
    outline
      ? [
          {
            type: "Feature",
            properties: code.startsWith("#") ? { name } : { code, name },
            geometry: geometryOf(outline),
          },
        ]
      : [],
  );
  return JSON.stringify({ type: "FeatureCollection", features });
}

function featuresOf(said: unknown): { geometry: Geometry; properties: Record<string, unknown> | null }[] {
  if (typeof said !== "object" || said === null || !("type" in said)) return [];
  const given = said as Geometry | Feature | { type: "FeatureCollection"; features: Feature[] };
  if (given.type === "FeatureCollection") {
    return Array.isArray(given.features) ? given.features.flatMap(featuresOf) : [];
  }
  if (given.type === "Feature") return [given];
  return [{ geometry: given as Geometry, properties: null }];
}

// All of China lies there, so that an order that is turned around is seen.
function check([longitude, latitude]: Position, n: number): void {
  const lies = (x: number, y: number) => x >= 72 && x <= 138 && y >= 0.8 && y <= 56;
  if (lies(longitude, latitude)) return;
  throw new Problem(lies(latitude, longitude) ? "latitudeFirst" : "notInChina", null, { n });
}

function word(said: unknown): string | null {
  if (typeof said === "number") return String(said);
  return typeof said === "string" && said.trim() ? said.trim() : null;
}
