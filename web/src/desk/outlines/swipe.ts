// Two days in one map: over the map of the one day lies that of the other, as far as the divide.

import type { Feature } from "geojson";
import type { GeoJSONSource, Map as MapLibre, StyleSpecification } from "maplibre-gl";
import { base } from "../../lib/api";
import { fetchMap } from "../../lib/map";
import { onMap, styled } from "../DeskMap";
import { isBasemap } from "../basemap";
import { provideImages } from "../images";
import { token } from "../session";
import { tileAddress } from "../style";
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
      transformRequest: (url) =>
        token.value && url.startsWith(base.href)
          ? { url, headers: { authorization: `Bearer ${token.value}` } }
          : { url },
    });
    // What only looks on is not to be reached.
    over.getCanvas().setAttribute("tabindex", "-1");
    over.getCanvas().setAttribute("aria-hidden", "true");
    over.getCanvas().removeAttribute("role");
    provideImages(over, () => theme.value);
    over.on("style.load", () => paint(over));
    over.on("error", () => {});
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
      // As far as the middle of the knob, which stays within the map.
      element.style.clipPath = `inset(0 calc(1.25rem + (100% - 2.5rem) * ${1 - share}) 0 0)`;
    },
    mark: (features) => {
      marked = features;
      for (const map of [styled(), over]) if (map?.getSource(NAME)) paint(map);
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

function isTiled(name: string): name is "regions" | "grids" | "buildings" {
  return name === "regions" || name === "grids" || name === "buildings";
}

// The map's own style, with the tiles of the day and without what is of no day.
function otherDay(style: StyleSpecification, day: string): StyleSpecification {
  const sources: StyleSpecification["sources"] = {};
  for (const [name, source] of Object.entries(style.sources)) {
    if (isBasemap(name)) sources[name] = source;
    else if (source.type === "vector" && isTiled(name)) {
      sources[name] = { ...source, tiles: [tileAddress(name, name === "regions" ? {} : { on: day })] };
    }
  }
  const layers = style.layers.filter((layer) => !("source" in layer) || String(layer.source) in sources);
  return { ...style, sources, layers };
}
