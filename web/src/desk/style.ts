// What the map looks like: our layers in light and in dark.

import type { StyleSpecification } from "maplibre-gl";
import { base } from "../lib/api";
import type { Theme } from "./theme";

export function styleOf(theme: Theme): StyleSpecification {
  const isDark = theme === "dark";
  return {
    version: 8,
    sources: {
      regions: tiles("regions"),
      grids: tiles("grids"),
    },
    layers: [
      {
        id: "ground",
        type: "background",
        paint: { "background-color": isDark ? "#15191f" : "#f7f6f2" },
      },
      {
        id: "grids-areas",
        type: "fill",
        source: "grids",
        "source-layer": "grids",
        paint: { "fill-color": "#56b4e9", "fill-opacity": 0.12 },
      },
      {
        id: "grids-outlines",
        type: "line",
        source: "grids",
        "source-layer": "grids",
        paint: { "line-color": isDark ? "#56b4e9" : "#0072b2", "line-width": 1 },
      },
      {
        id: "regions-outlines",
        type: "line",
        source: "regions",
        "source-layer": "regions",
        paint: { "line-color": isDark ? "#ffffff" : "#000000", "line-opacity": 0.6 },
      },
    ],
  };
}

function tiles(name: "regions" | "grids") {
  return {
    type: "vector" as const,
    url: new URL(`tiles/${name}.json`, base).href,
    promoteId: "code",
  };
}
