// The editor on the map: what it draws there, and what a mouse or a finger does.

import type { Feature, FeatureCollection, Geometry } from "geojson";
import type { FilterSpecification, GeoJSONSource, Map as MapLibre, MapMouseEvent, MapTouchEvent, Point, VectorTileSource } from "maplibre-gl";
import { watch } from "vue";
import { type Position, metresBetween } from "../../lib/earth";
import { map as current, onMap, styled } from "../DeskMap";
import { isBasemap } from "../basemap";
import { theme } from "../theme";
import * as editor from "./editor";
import { type Obstacle, obstaclesOf } from "./telling";
import { type Sheet, type SheetGrid, beside, isChanged } from "./sheet";
import { type Outline, edgesOf, geometryOf, holds, isAt, outlineOf, strayBorders } from "./shapes";
import { snapped } from "./snapping";

const CORNER_PIXELS = 10;
const FINGER_PIXELS = 22;
const SNAP_PIXELS = 10;

const SOURCES = ["edit-grids", "edit-borders", "edit-corners", "edit-drawn", "edit-pieces", "edit-places"] as const;

/** Draws the editor and hears the mouse, until the function that it gives is called. */
export function startDrawing(events: { close(): void }): () => void {
  let hearing: MapLibre | null = null;
  const listeners = [
    ["mousedown", press],
    ["touchstart", press],
    ["touchend", () => (lastLifted = performance.now())],
    ["mousemove", hover],
    ["click", click],
    ["zoomend", drawNow],
    ["dblclick", () => isDrawing() && events.close()],
  ] as const;
  const endStyle = onMap((map) => {
    addLayers(map);
    draw(map);
  });
  const endMouse = onMap(hear);
  const endWatch = watch(
    [
      editor.sheet,
      editor.preview,
      editor.chosen,
      editor.corner,
      editor.tool,
      editor.joining,
      editor.drawn,
      editor.plan,
      editor.isPlanOfThis,
      editor.crossed,
    ],
    () => drawNow(),
  );
  function hear(map: MapLibre): void {
    if (hearing === map) return;
    hearing = map;
    for (const [type, listener] of listeners) map.on(type, listener as never);
    map.getCanvas().addEventListener("keydown", enter);
    map.doubleClickZoom.disable();
  }

  return () => {
    endStyle();
    endMouse();
    endWatch();
    const map = hearing;
    if (!map) return;
    for (const [type, listener] of listeners) map.off(type, listener as never);
    map.getCanvas().removeEventListener("keydown", enter);
    map.doubleClickZoom.enable();
    map.getCanvas().style.cursor = "";
    removeLayers(map);
  };
}

/** Whether clicks on the map draw, and choose nothing. */
export function isDrawing(): boolean {
  return editor.chosen.value !== null && (editor.tool.value === "split" || editor.tool.value === "draw");
}

// --- the mouse --------------------------------------------------------------------------------

// Whether the last press took hold of something; the click that comes of it chooses nothing.
let hasHeld = false;
let isFinger = false;
let lastLifted = -Infinity;
// Ends what a finger holds, as if it had not.
let letGo: (() => void) | null = null;

function press(event: MapMouseEvent | MapTouchEvent): void {
  const isTouch = "touches" in event.originalEvent;
  // After a finger, browsers press a mouse there too.
  if (!isTouch && performance.now() - lastLifted < 1_000) return;
  // A second finger moves the map.
  letGo?.();
  hasHeld = false;
  const map = event.target;
  isFinger = isTouch;
  if (isFinger && (event.originalEvent as TouchEvent).touches.length > 1) return;
  if (!isFinger && (event.originalEvent as MouseEvent).button !== 0) return;
  const held = holdable(map, event.point, reach());
  if (!held) return;
  event.preventDefault();
  hasHeld = true;
  if (!held.edge) editor.corner.value = held.place;
  let isCorner = !held.edge;
  let to: Position | null = null;

  // The middle of an edge is a corner from when it is moved, or let go of.
  const take = (): void => {
    if (!isCorner && held.edge) editor.insertCorner(held.edge[0], held.edge[1], held.place);
    isCorner = true;
  };
  const move = (moving: MapMouseEvent | MapTouchEvent): void => {
    if (moving.point.dist(event.point) < 3 && !to) return;
    take();
    const isFree = moving.originalEvent.altKey;
    to = placed(map, [moving.lngLat.lng, moving.lngLat.lat], isFree ? 0 : SNAP_PIXELS, held.place);
    map.getCanvas().style.cursor = "grabbing";
    editor.previewMove(held.place, to);
  };
  const leave = (): void => {
    for (const [type, listener] of ways) map.off(type, listener as never);
    removeEventListener("keydown", cancel, true);
    letGo = null;
    map.getCanvas().style.cursor = "";
    editor.preview.value = null;
  };
  const end = (): void => {
    leave();
    take();
    if (to) editor.moveCorner(held.place, to);
  };
  const cancel = (key: KeyboardEvent): void => {
    if (key.key !== "Escape") return;
    key.stopPropagation();
    leave();
  };
  const ways = isFinger
    ? ([["touchmove", move], ["touchend", end], ["touchcancel", leave]] as const)
    : ([["mousemove", move], ["mouseup", end]] as const);
  for (const [type, listener] of ways) map.on(type, listener as never);
  addEventListener("keydown", cancel, true);
  letGo = leave;
}

function reach(): number {
  return isFinger ? FINGER_PIXELS : CORNER_PIXELS;
}

function hover(event: MapMouseEvent): void {
  const map = event.target;
  if (editor.preview.value) return;
  const style = map.getCanvas().style;
  if (isDrawing()) style.cursor = "crosshair";
  else if (editor.tool.value === "corners") {
    style.cursor = holdable(map, event.point, CORNER_PIXELS) ? "grab" : "";
  } else style.cursor = "";
}

function click(event: MapMouseEvent): void {
  if (hasHeld || event.originalEvent.detail > 1) return;
  const at: Position = [event.lngLat.lng, event.lngLat.lat];
  point(event.target, at, event.point, event.originalEvent.altKey);
}

// On the map itself Enter does at its middle what a click does there.
function enter(event: KeyboardEvent): void {
  const map = current.value;
  if (!map || event.key !== "Enter") return;
  event.preventDefault();
  const { lng, lat } = map.getCenter();
  point(map, [lng, lat], map.project([lng, lat]), event.altKey);
}

function point(map: MapLibre, at: Position, pixel: Point, isFree: boolean): void {
  if (isDrawing()) {
    const [first] = editor.drawn.value;
    const isClosed = editor.drawn.value.length > 2 && first && pixels(map, first, pixel) < reach();
    // An outline is closed of itself.
    if (editor.tool.value === "draw" && isClosed) return;
    editor.drawn.value = [...editor.drawn.value, placed(map, at, isFree ? 0 : SNAP_PIXELS, null)];
    return;
  }
  if (editor.tool.value === "corners" && holdable(map, pixel, CORNER_PIXELS)) return;
  const grid = gridAt(editor.sheet.value, at);
  const joins = editor.tool.value === "merge" && grid && besides().includes(grid.code);
  if (joins) editor.toggleJoining(grid.code);
  else if (!grid || grid.isFixed) void editor.chooseAt(at);
  else if (grid.code !== editor.chosen.value) void editor.choose(grid.code);
}

// The grids beside the one in hand that can be merged into it.
function besides(): string[] {
  const { code, outline } = editor.chosenGrid.value ?? {};
  if (!code || !outline) return [];
  return beside(editor.sheet.value, code).flatMap((each) => (each.isFixed ? [] : [each.code]));
}

interface Holdable {
  place: Position;
  /** The edge that it is to be a corner of; null where it is one. */
  edge: readonly [Position, Position] | null;
}

// The corner of the chosen grid there, or else the middle of one of its edges.
function holdable(map: MapLibre, point: Point, reach: number): Holdable | null {
  if (editor.tool.value !== "corners") return null;
  const outline = editor.chosenGrid.value?.outline;
  if (!outline) return null;
  let best: Holdable | null = null;
  let least = reach;
  for (const place of outline.flat(2)) {
    const away = pixels(map, place, point);
    if (away <= least) [best, least] = [{ place, edge: null }, away];
  }
  if (best) return best;
  for (const edge of edgesOf(outline)) {
    if (!hasMiddle(map, edge)) continue;
    const place = middle(edge);
    const away = pixels(map, place, point);
    if (away <= least) [best, least] = [{ place, edge }, away];
  }
  return best;
}

function hasMiddle(map: MapLibre, [from, to]: readonly [Position, Position]): boolean {
  return pixels(map, from, map.project([to[0], to[1]])) > 5 * CORNER_PIXELS;
}

function middle([from, to]: readonly [Position, Position]): Position {
  return [(from[0] + to[0]) / 2, (from[1] + to[1]) / 2];
}

function pixels(map: MapLibre, place: Position, point: Point): number {
  return map.project([place[0], place[1]]).dist(point);
}

function placed(map: MapLibre, at: Position, reach: number, held: Position | null): Position {
  if (reach === 0) return at;
  const point = map.project([at[0], at[1]]);
  const { lng, lat } = map.unproject([point.x + reach, point.y]);
  return snapped(editor.sheet.value, at, metresBetween(at, [lng, lat]), held).place;
}

function gridAt(sheet: Sheet, at: Position): SheetGrid | undefined {
  return sheet.find(({ outline }) => outline && holds(outline, at));
}

/** Brings a place into the middle of the map, near enough to be worked at. */
export function showPlace([longitude, latitude]: Position, isFar = false): void {
  const map = current.value;
  if (!map) return;
  const zoom = Math.max(map.getZoom(), isFar ? 14 : 17);
  map.easeTo({ center: [longitude, latitude], zoom, duration: 300 });
}

/** Moves the map where a place would not be seen. */
export function keepInSight([longitude, latitude]: Position): void {
  const map = current.value;
  if (!map) return;
  const { x, y } = map.project([longitude, latitude]);
  const { clientWidth, clientHeight } = map.getCanvas();
  if (x < 40 || y < 40 || x > clientWidth - 40 || y > clientHeight - 40) {
    map.easeTo({ center: [longitude, latitude], duration: 300 });
  }
}

/** Brings outlines into view, once the map is there. */
export function showOutlines(box: readonly [number, number, number, number], maxZoom = 18): void {
  const map = current.value;
  if (!map) {
    watch(current, () => showOutlines(box, maxZoom), { once: true });
    return;
  }
  const { clientWidth, clientHeight } = map.getCanvas();
  const padding = Math.min(80, clientWidth / 6, clientHeight / 6);
  map.fitBounds([...box], { padding, maxZoom, duration: 300 });
}

/** Has the map read its tiles anew. */
export function refreshTiles(): void {
  const map = current.value;
  if (!map) return;
  for (const [name, { type }] of Object.entries(map.getStyle().sources)) {
    const source = map.getSource(name) as VectorTileSource;
    if (type === "vector" && source.tiles && !isBasemap(name)) source.setTiles(source.tiles);
  }
}

// --- what is drawn ----------------------------------------------------------------------------

function drawNow(): void {
  const map = styled();
  if (map) draw(map);
}

function draw(map: MapLibre): void {
  if (!map.getSource("edit-grids")) return;
  const { plan, isPlanOfThis, chosen, tool } = editor;
  const shown = plan.value && (isPlanOfThis.value || plan.value.change) ? plan.value : null;
  const sheet = editor.preview.value ?? editor.sheet.value;
  const pairs = shown
    ? shown.grids.map((each) => [outlineOf(each.outlineBefore), outlineOf(each.outlineAfter)] as const)
    : sheet.filter(isChanged).map(({ before, outline }) => [before, outline] as const);
  const [before, after] = [0, 1].map((i) => pairs.map((pair) => pair[i]).filter((each) => each != null)) as [Outline[], Outline[]];
  const joins = ({ code }: SheetGrid) => tool.value === "merge" && editor.joining.value.includes(code);
  const grids = shown
    ? after.map((outline) => feature(geometryOf(outline), { role: "after" }))
    : sheet.flatMap((grid) =>
        grid.outline
          ? [
              feature(geometryOf(grid.outline), {
                role: grid.code === chosen.value || joins(grid) ? "chosen" : isChanged(grid) ? "after" : "beside",
              }),
            ]
          : [],
      );
  set(map, "edit-grids", grids);
  // Where a border stays it is drawn once.
  set(map, "edit-borders", [
    ...before.flatMap((outline) => lines(strayBorders(outline, after), "gone")),
    ...after.flatMap((outline) => lines(strayBorders(outline, before), "new")),
  ]);
  set(map, "edit-corners", shown ? [] : corners(map, sheet));
  set(map, "edit-drawn", tool.value === "split" || tool.value === "draw" ? drawing() : []);
  set(map, "edit-pieces", [
    ...(shown ? obstaclesOf(shown).map(({ kind, outline }: Obstacle) => feature(geometryOf(outline), { kind })) : []),
  ]);
  set(map, "edit-places", [
    ...(shown?.buildings.nodes ?? []).flatMap(({ building }) =>
      building ? [feature(building.location, { kind: "building" })] : [],
    ),
    ...(shown ? [] : editor.crossed.value.map(({ place }) => pointAt(place, { kind: "crossing" }))),
  ]);
}

function corners(map: MapLibre, sheet: Sheet): Feature[] {
  if (editor.tool.value !== "corners") return [];
  const outline: Outline = sheet.find(({ code }) => code === editor.chosen.value)?.outline ?? [];
  const held = editor.corner.value;
  return [
    ...[...edgesOf(outline)]
      .filter((edge) => !editor.preview.value && hasMiddle(map, edge))
      .map((edge) => pointAt(middle(edge), { kind: "middle" })),
    ...outline
      .flat(2)
      .map((place) => pointAt(place, { kind: held && isAt(place, held) ? "held" : "corner" })),
  ];
}

function drawing(): Feature[] {
  const places = editor.drawn.value.map((each) => [...each]);
  const [first] = places;
  const isRing = editor.tool.value === "draw" && places.length > 2;
  const line = isRing && first ? [...places, first] : places;
  return [
    ...(line.length > 1 ? [feature({ type: "LineString", coordinates: line })] : []),
    ...places.map((coordinates) => feature({ type: "Point", coordinates })),
  ];
}

function addLayers(map: MapLibre): void {
  if (map.getSource("edit-grids")) return;
  const isDark = theme.value === "dark";
  const now = isDark ? "#f0a35e" : "#b04a00";
  const before = isDark ? "#d5dbe3" : "#3c4653";
  const paper = isDark ? "#15191f" : "#ffffff";
  for (const name of SOURCES) map.addSource(name, { type: "geojson", data: collection([]) });
  // Names are read across borders, not the other way round.
  const names = map.getLayer("grids-names") ? "grids-names" : undefined;
  map.addLayer({
    id: "edit-areas",
    type: "fill",
    source: "edit-grids",
    filter: role("chosen", "after"),
    paint: { "fill-color": now, "fill-opacity": ["match", ["get", "role"], "chosen", 0.2, 0.1] },
  }, names);
  map.addLayer({
    id: "edit-beside",
    type: "line",
    source: "edit-grids",
    filter: role("beside"),
    paint: { "line-color": before, "line-width": 1, "line-opacity": 0.7 },
  }, names);
  // On a band of paper, so that they are seen on any ground.
  for (const [id, source, filter, colour, width] of [
    ["edit-now-band", "edit-grids", role("chosen", "after"), paper, 4],
    ["edit-now", "edit-grids", role("chosen", "after"), now, 2],
    ["edit-gone-band", "edit-borders", role("gone"), paper, 5],
    ["edit-new-band", "edit-borders", role("new"), paper, 7],
    ["edit-new", "edit-borders", role("new"), now, 4],
  ] as const) {
    map.addLayer({
      id,
      type: "line",
      source,
      filter,
      layout: { "line-join": "round", "line-cap": "round" },
      paint: { "line-color": colour, "line-width": width },
    }, names);
  }
  map.addLayer({
    id: "edit-gone",
    type: "line",
    source: "edit-borders",
    filter: role("gone"),
    paint: { "line-color": before, "line-width": 3, "line-dasharray": [2, 1.5] },
  }, names);
  map.addLayer({
    id: "edit-pieces",
    type: "fill",
    source: "edit-pieces",
    paint: { "fill-color": "#cc3377", "fill-opacity": 0.3, "fill-outline-color": "#cc3377" },
  }, names);
  map.addLayer({
    id: "edit-drawn",
    type: "line",
    source: "edit-drawn",
    filter: ["==", ["geometry-type"], "LineString"],
    paint: { "line-color": now, "line-width": 3, "line-dasharray": [1.5, 1] },
  });
  map.addLayer({
    id: "edit-drawn-corners",
    type: "circle",
    source: "edit-drawn",
    filter: ["==", ["geometry-type"], "Point"],
    paint: { "circle-radius": 5, "circle-color": now, "circle-stroke-color": paper, "circle-stroke-width": 2 },
  });
  map.addLayer({
    id: "edit-corners",
    type: "circle",
    source: "edit-corners",
    paint: {
      "circle-radius": ["match", ["get", "kind"], "middle", 3.5, "held", 8, 5.5],
      "circle-color": ["match", ["get", "kind"], "held", now, paper],
      "circle-stroke-color": ["match", ["get", "kind"], "held", paper, now],
      "circle-stroke-width": ["match", ["get", "kind"], "middle", 1.5, 2.5],
      "circle-opacity": ["match", ["get", "kind"], "middle", 0.8, 1],
    },
  });
  map.addLayer({
    id: "edit-places",
    type: "circle",
    source: "edit-places",
    paint: {
      "circle-radius": 5,
      "circle-color": ["match", ["get", "kind"], "crossing", "#cc3377", paper],
      "circle-stroke-color": ["match", ["get", "kind"], "crossing", paper, before],
      "circle-stroke-width": 2,
    },
  });
}

function role(...names: string[]): FilterSpecification {
  return ["in", ["get", "role"], ["literal", names]];
}

const LAYERS = [
  "edit-areas",
  "edit-beside",
  "edit-now-band",
  "edit-now",
  "edit-gone-band",
  "edit-new-band",
  "edit-new",
  "edit-gone",
  "edit-pieces",
  "edit-drawn",
  "edit-drawn-corners",
  "edit-corners",
  "edit-places",
];

function removeLayers(map: MapLibre): void {
  for (const id of LAYERS) if (map.getLayer(id)) map.removeLayer(id);
  for (const name of SOURCES) if (map.getSource(name)) map.removeSource(name);
}

function set(map: MapLibre, name: (typeof SOURCES)[number], features: Feature[]): void {
  (map.getSource(name) as GeoJSONSource | undefined)?.setData(collection(features));
}

function feature(geometry: Geometry, properties: Record<string, string> = {}): Feature {
  return { type: "Feature", properties, geometry };
}

function lines(all: readonly (readonly Position[])[], role: string): Feature[] {
  return all.map((line) =>
    feature({ type: "LineString", coordinates: line.map((each) => [...each]) }, { role }),
  );
}

function pointAt([longitude, latitude]: Position, properties: Record<string, string>): Feature {
  return feature({ type: "Point", coordinates: [longitude, latitude] }, properties);
}

function collection(features: Feature[]): FeatureCollection {
  return { type: "FeatureCollection", features };
}
