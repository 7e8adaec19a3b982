// The map. It is one for the page: whoever draws in it says so by `onMap`.

import type { Map as MapLibre } from "maplibre-gl";
import { shallowRef } from "vue";

/** The map; null until it is there. */
export const map = shallowRef<MapLibre | null>(null);

type Callback = (map: MapLibre) => void;

const callbacks = new Set<Callback>();
let hasStyle = false;

/**
 * Calls back when the map has its style, at once where it has, and again after each change of the
 * style (light and dark), which takes away all sources, layers and images: add them there. Gives
 * what ends that.
 */
export function onMap(callback: Callback): () => void {
  callbacks.add(callback);
  if (map.value && hasStyle) callback(map.value);
  return () => callbacks.delete(callback);
}

/** The map where it has its style; else whoever draws is called back later. */
export function styled(): MapLibre | null {
  return hasStyle ? map.value : null;
}

/** For whoever makes the map: it has a style now, or none until the next. */
export function styleIsThere(made: MapLibre, isThere: boolean): void {
  hasStyle = isThere;
  if (!isThere) return;
  map.value = made;
  for (const callback of callbacks) callback(made);
}
