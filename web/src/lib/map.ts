// The map: outlines that we know ourselves on plain paper. MapLibre is loaded when it is called for.

import type { Feature, FeatureCollection, Geometry } from "geojson";
import type { GeoJSONSource, Map as MapLibre, Marker } from "maplibre-gl";
import { type Position, circle, metresPerDegree } from "./earth";

export type Bounds = readonly [west: number, south: number, east: number, north: number];

/** What is drawn of grids: one's own, or those that it may be, by letter. */
export interface Shape {
  outline: Geometry;
  role: "home" | "a" | "b" | "other";
  letter?: string;
}

export interface Picture {
  /** Grids around, for orientation. */
  around: Geometry[];
  shapes: Shape[];
  point: Position | null;
  /** Metres around the point; null for none. */
  accuracy: number | null;
  /** Places that can be chosen. */
  pins: { id: string; position: Position; label: string; urgent: boolean }[];
}

export interface Words {
  map: string;
  zoomIn: string;
  zoomOut: string;
}

export interface GridMap {
  draw(picture: Picture): void;
  /** Brings these bounds into view, and at least 200 metres of ground. */
  show(bounds: Bounds): void;
  centre(): Position;
  say(words: Words): void;
  remove(): void;
}

interface Events {
  move(): void;
  tap(position: Position): void;
  pin(id: string): void;
}

export const COLOURS = { home: "#0b3d91", a: "#0b3d91", b: "#b3400a", other: "#5b6472" } as const;

const EMPTY: FeatureCollection = { type: "FeatureCollection", features: [] };
const LAST_VIEW = "gridmap-view";

/** Has the library fetched, which is half of what a map takes; called before there is anything to
 * draw it in. It comes after the page is drawn, which takes less time. */
export function fetchMap(): Promise<typeof import("./maplibre")> {
  return import("./maplibre");
}

/** Makes a map in the element. Rejects where the device cannot draw it. */
export async function makeMap(element: HTMLElement, words: Words, events: Events): Promise<GridMap> {
  const { Map: MapLibreMap, Marker, NavigationControl } = await fetchMap();
  const map: MapLibre = new MapLibreMap({
    container: element,
    style: {
      version: 8,
      sources: Object.fromEntries(
        ["around", "shapes", "circle"].map((name) => [name, { type: "geojson", data: EMPTY }]),
      ),
      layers: [
        { id: "paper", type: "background", paint: { "background-color": "#f1f4f8" } },
        {
          id: "around",
          type: "line",
          source: "around",
          paint: { "line-color": "#8a94a3", "line-width": 1 },
        },
        {
          id: "fill",
          type: "fill",
          source: "shapes",
          paint: { "fill-color": ["get", "colour"], "fill-opacity": 0.14 },
        },
        {
          id: "line",
          type: "line",
          source: "shapes",
          layout: { "line-join": "round" },
          paint: { "line-color": ["get", "colour"], "line-width": 3.5 },
        },
        {
          id: "circle",
          type: "fill",
          source: "circle",
          paint: { "fill-color": "#c99700", "fill-opacity": 0.22 },
        },
        {
          id: "circle-line",
          type: "line",
          source: "circle",
          paint: { "line-color": "#7a5c00", "line-width": 2, "line-dasharray": [2, 1.5] },
        },
      ],
    },
    center: [104, 35],
    zoom: 3.2,
    maxZoom: 20,
    attributionControl: false,
    dragRotate: false,
    pitchWithRotate: false,
    touchPitch: false,
    fadeDuration: 0,
    locale: locale(words),
  });
  map.touchZoomRotate.disableRotation();
  map.keyboard.disableRotation();
  const control = new NavigationControl({ showCompass: false });
  map.addControl(control, "top-right");

  const markers = new Map<string, Marker>();
  const labels = element.getElementsByClassName("maplibregl-canvas");

  function say(now: Words): void {
    labels[0]?.setAttribute("aria-label", now.map);
    for (const [name, text] of [
      ["zoom-in", now.zoomIn],
      ["zoom-out", now.zoomOut],
    ] as const) {
      const button = element.querySelector(`.maplibregl-ctrl-${name}`);
      button?.setAttribute("aria-label", text);
      button?.setAttribute("title", text);
    }
  }

  function mark(name: string, position: Position, make: () => HTMLElement): void {
    let marker = markers.get(name);
    if (!marker) {
      marker = new Marker({ element: make() });
      markers.set(name, marker);
      marker.setLngLat([...position]).addTo(map);
      // MapLibre calls every marker "Map marker" and makes it an image; ours say what they are.
      const made = marker.getElement();
      if (made instanceof HTMLButtonElement) made.removeAttribute("role");
      else made.setAttribute("aria-hidden", "true");
    }
    marker.setLngLat([...position]);
  }

  function draw({ around, shapes, point, accuracy, pins }: Picture): void {
    source("around").setData(collection(around.map((geometry) => feature(geometry))));
    source("shapes").setData(
      collection(
        [...shapes]
          .reverse()
          .map(({ outline, role }) => feature(outline, { colour: COLOURS[role] })),
      ),
    );
    source("circle").setData(
      collection(point && accuracy ? [circle(point, accuracy)] : []),
    );
    const wanted = new Set<string>();
    if (point) {
      wanted.add("point");
      mark("point", point, () => made("div", "map-point"));
    }
    for (const { outline, letter, role } of shapes) {
      if (!letter) continue;
      const name = `${letter} ${role}`;
      wanted.add(name);
      const at = (point && accuracy && besideCircle(outline, point, accuracy)) || middleOf(outline);
      mark(name, at, () => made("div", `map-letter is-${role}`, letter));
    }
    for (const pin of pins) {
      const name = `pin ${pin.id} ${pin.urgent} ${pin.label}`;
      wanted.add(name);
      mark(name, pin.position, () => {
        const button = made("button", pin.urgent ? "map-pin is-urgent" : "map-pin");
        button.setAttribute("type", "button");
        button.setAttribute("aria-label", pin.label);
        button.addEventListener("click", (event) => {
          event.stopPropagation();
          events.pin(pin.id);
        });
        return button;
      });
    }
    for (const [name, marker] of markers) {
      if (wanted.has(name)) continue;
      marker.remove();
      markers.delete(name);
    }
  }

  function source(name: string): GeoJSONSource {
    return map.getSource(name) as GeoJSONSource;
  }

  await new Promise<void>((ready, fail) => {
    map.once("style.load", () => ready());
    map.once("error", ({ error }) => fail(error));
  });
  say(words);
  const last = lastView();
  if (last) map.jumpTo(last);
  map.on("move", events.move);
  map.on("moveend", () => keepView(map));
  map.on("click", ({ lngLat }) => events.tap([lngLat.lng, lngLat.lat]));
  // What was brought into view stays there when the map changes its size, until somebody moves it.
  let shown: Bounds | null = null;
  map.on("movestart", ({ originalEvent }) => {
    if (originalEvent) shown = null;
  });
  const watcher = new ResizeObserver(() => {
    if (element.clientWidth === 0) return; // another page is shown
    map.resize();
    if (shown) fit(shown, 0);
  });
  watcher.observe(element);

  function fit([west, south, east, north]: Bounds, duration: number): void {
    map.fitBounds([west, south, east, north], { padding: 32, maxZoom: 18, duration });
  }

  return {
    draw,
    say,
    show: (bounds) => {
      shown = widened(bounds);
      fit(shown, 300);
    },
    centre: () => {
      const { lng, lat } = map.getCenter();
      return [lng, lat];
    },
    remove: () => {
      watcher.disconnect();
      map.remove();
    },
  };
}

/** West, south, east and north of geometries; null where there are none. */
export function boundsOf(geometries: Geometry[]): Bounds | null {
  let [west, south, east, north] = [Infinity, Infinity, -Infinity, -Infinity];
  const take = (part: unknown): void => {
    if (!Array.isArray(part)) return;
    const [x, y] = part as unknown[];
    if (typeof x === "number" && typeof y === "number") {
      west = Math.min(west, x);
      east = Math.max(east, x);
      south = Math.min(south, y);
      north = Math.max(north, y);
    } else part.forEach(take);
  };
  for (const geometry of geometries) if ("coordinates" in geometry) take(geometry.coordinates);
  return west <= east ? [west, south, east, north] : null;
}

export function around(point: Position, metres: number): Bounds {
  return boundsOf([circle(point, metres).geometry]) ?? [point[0], point[1], point[0], point[1]];
}

function widened([west, south, east, north]: Bounds): Bounds {
  const least = around([(west + east) / 2, (south + north) / 2], 100);
  return [
    Math.min(west, least[0]),
    Math.min(south, least[1]),
    Math.max(east, least[2]),
    Math.max(north, least[3]),
  ];
}

function middleOf(geometry: Geometry): Position {
  const [west, south, east, north] = boundsOf([geometry]) ?? [0, 0, 0, 0];
  return [(west + east) / 2, (south + north) / 2];
}

// Beside the circle, where the polygon is seen from its middle: in the direction of the mean of
// those of 160 points in the circle that the polygon holds. Null where that is not in it either.
function besideCircle(geometry: Geometry, centre: Position, radius: number): Position | null {
  const rings = ringsOf(geometry);
  const around = (share: number) =>
    (circle(centre, share * radius).geometry.coordinates[0] ?? []).filter(
      ([x = 0, y = 0], i) => i % 2 === 0 && holds(rings, x, y),
    );
  const held = [0.3, 0.5, 0.65, 0.8, 0.95].flatMap(around);
  const [across, up] = metresPerDegree(centre[1]);
  const east = held.reduce((sum, [x = 0]) => sum + (x - centre[0]) * across, 0);
  const north = held.reduce((sum, [, y = 0]) => sum + (y - centre[1]) * up, 0);
  const along = ([x = 0, y = 0]: number[]) =>
    east * (x - centre[0]) * across + north * (y - centre[1]) * up;
  const [best] = around(1.3).sort((one, other) => along(other) - along(one));
  return best ? [best[0] ?? 0, best[1] ?? 0] : null;
}

function ringsOf(geometry: Geometry): number[][][] {
  if (geometry.type === "Polygon") return geometry.coordinates;
  return geometry.type === "MultiPolygon" ? geometry.coordinates.flat() : [];
}

// By the even-odd rule over all rings.
function holds(rings: number[][][], x: number, y: number): boolean {
  let inside = false;
  for (const ring of rings) {
    for (let i = 1; i < ring.length; i++) {
      const [ax = 0, ay = 0] = ring[i - 1] ?? [];
      const [bx = 0, by = 0] = ring[i] ?? [];
      if (ay > y !== by > y && x < ax + ((y - ay) / (by - ay)) * (bx - ax)) inside = !inside;
    }
  }
  return inside;
}

function feature(geometry: Geometry, properties: Record<string, string> = {}): Feature {
  return { type: "Feature", properties, geometry };
}

function collection(features: Feature[]): FeatureCollection {
  return { type: "FeatureCollection", features };
}

function made(tag: "div" | "button", name: string, text = ""): HTMLElement {
  const element = document.createElement(tag);
  element.className = name;
  element.textContent = text;
  return element;
}

function locale({ map, zoomIn, zoomOut }: Words): Record<string, string> {
  return {
    "Map.Title": map,
    "NavigationControl.ZoomIn": zoomIn,
    "NavigationControl.ZoomOut": zoomOut,
  };
}

function keepView(map: MapLibre): void {
  const { lng, lat } = map.getCenter();
  try {
    localStorage.setItem(LAST_VIEW, JSON.stringify([lng, lat, map.getZoom()]));
  } catch {
    // Then the next map begins with all of China.
  }
}

function lastView(): { center: [number, number]; zoom: number } | null {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(LAST_VIEW) ?? "null");
    if (!Array.isArray(kept) || !kept.every(Number.isFinite)) return null;
    const [longitude, latitude, zoom] = kept as [number, number, number];
    return { center: [longitude, latitude], zoom };
  } catch {
    return null;
  }
}
