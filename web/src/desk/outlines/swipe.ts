// Two days in one map: over the map of the one day lies that of the other, as far as the divide.

import type { Feature } from "geojson";
import type { GeoJSONSource, Map as MapLibre, StyleSpecification } from "maplibre-gl";
import { fetchMap } from "../../lib/map";
import { onMap } from "../DeskMap";
import { theme } from "../theme";

export interface Swipe {
  /** Where the divide is, from 0 on the left to 1. */
  divide(share: number): void;
  /** The ground that is marked on both. */
  mark(features: Feature[]): void;
  remove(): void;
}

/** Lays the other day's map over the map; it is left of the divide. */
export function startSwipe(element: HTMLElement, day: string): Swipe {
  let over: MapLibre | null = null;
  let under: MapLibre | null = null;
  let marked: Feature[] = [];
  let isOver = false;
  const end = onMap((map) => void begin(map));

  async function begin(map: MapLibre): Promise<void> {
    const { Map: MapLibreMap } = await fetchMap();
    if (isOver) return;
    if (under !== map) map.on("move", follow);
    under = map;
    over?.remove();
    over = new MapLibreMap({
      container: element,
      style: otherDay(map.getStyle(), day),
      center: map.getCenter(),
      zoom: map.getZoom(),
      interactive: false,
      attributionControl: false,
      fadeDuration: 0,
    });
    // What only looks on is not to be reached.
    over.getCanvas().setAttribute("tabindex", "-1");
    over.getCanvas().setAttribute("aria-hidden", "true");
    over.getCanvas().removeAttribute("role");
    over.on("style.load", () => paint(over));
    paint(map);
  }

  function follow(): void {
    if (under) over?.jumpTo({ center: under.getCenter(), zoom: under.getZoom() });
  }

  function paint(map: MapLibre | null): void {
    if (!map) return;
    const data = { type: "FeatureCollection" as const, features: marked };
    const source = map.getSource(NAME) as GeoJSONSource | undefined;
    if (source) return void source.setData(data);
    map.addSource(NAME, { type: "geojson", data });
    const colour = theme.value === "dark" ? "#f0a35e" : "#b04a00";
    map.addLayer({ id: `${NAME}-areas`, type: "fill", source: NAME, paint: { "fill-color": colour, "fill-opacity": 0.35 } });
    map.addLayer({ id: `${NAME}-lines`, type: "line", source: NAME, paint: { "line-color": colour, "line-width": 2 } });
  }

  return {
    divide: (share) => {
      element.style.clipPath = `inset(0 ${(1 - share) * 100}% 0 0)`;
    },
    mark: (features) => {
      marked = features;
      for (const map of [under, over]) if (map?.isStyleLoaded() || map?.getSource(NAME)) paint(map);
    },
    remove: () => {
      isOver = true;
      end();
      over?.remove();
      under?.off("move", follow);
      for (const id of [`${NAME}-areas`, `${NAME}-lines`]) if (under?.getLayer(id)) under.removeLayer(id);
      if (under?.getSource(NAME)) under.removeSource(NAME);
    },
  };
}

const NAME = "compare";
const OF_A_DAY = ["grids", "regions", "buildings"];

// The map's own style, with the tiles of the day and without what is of no day.
function otherDay(style: StyleSpecification, day: string): StyleSpecification {
  const sources: StyleSpecification["sources"] = {};
  for (const [name, source] of Object.entries(style.sources)) {
    if (source.type === "geojson") continue;
    if (source.type !== "vector") sources[name] = source;
    else if (OF_A_DAY.includes(name) && source.url) {
      const address = new URL(source.url, document.baseURI);
      address.searchParams.set("on", day);
      sources[name] = { ...source, url: address.href };
    }
  }
  const layers = style.layers.filter((layer) => !("source" in layer) || String(layer.source) in sources);
  return { ...style, sources, layers };
}
