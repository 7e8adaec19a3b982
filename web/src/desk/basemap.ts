// What lies below our layers where the server is told to have something there.
//
// It is laid under a map that is there already: whatever becomes of it, ours can be used.

import type { LayerSpecification, Map as MapLibre, MapSourceDataEvent, StyleSpecification } from "maplibre-gl";
import { computed, reactive, ref, shallowRef } from "vue";
import { base } from "../lib/api";
import { COLOURS } from "./palette";
import type { Theme } from "./theme";

interface Setting {
  /** Of tiles, of a TileJSON or of a style, the lowest first. */
  addresses: string[];
  /** Null where the TileJSON or the style says it. */
  attribution: string | null;
}

interface TileJson {
  tiles: string[];
  vector_layers?: { id: string }[];
  attribution?: string;
  minzoom?: number;
  maxzoom?: number;
  bounds?: [number, number, number, number];
  scheme?: "xyz" | "tms";
  tileSize?: number;
}

/** One of the addresses; what it names is called otherwise than ours. */
type Part = Pick<StyleSpecification, "sources" | "layers" | "glyphs"> & { sprite?: { id: string; url: string }[] };

/** A piece of what names somebody, perhaps with an address. */
export interface Credit {
  text: string;
  address: string | null;
}

const NAME = "basemap";
const TILES = /\{(z|x|y|quadkey|bbox-epsg-3857)\}/;
/** After this nobody waits for a TileJSON or a style. */
const PATIENCE_MS = 20_000;
/** And after this it is said that no tile has come. The map is not idle where they are slow, nor
 * where they are not there (404). */
const TILES_MS = 5_000;

const parts = shallowRef<Part[]>([]);
const said = ref<string | null>(null);
const told = reactive(new Map<string, string>());
const absent = reactive(new Set<string>());

/** Who is to be named for it. */
export const credits = computed<Credit[]>(() => {
  const texts = said.value ? [said.value] : [...new Set(told.values())];
  return texts.flatMap((html, i) => [...(i ? [{ text: " · ", address: null }] : []), ...creditsIn(html)]);
});
/** The same in words; "" for nobody. */
export const attribution = computed(() => credits.value.map(({ text }) => text).join(""));
/** Some of it is not there, or not here. */
export const isMissing = computed(() => absent.size > 0);

/** Asks what there is, and has it laid under the map as its parts come in. */
export async function fetchBasemap(lay: () => void): Promise<void> {
  const setting = await json<Setting>(new URL("basemap.json", base).href).catch(() => null);
  said.value = setting?.attribution ?? null;
  const places = setting?.addresses ?? [];
  const came: (Part | null)[] = places.map(() => null);
  await Promise.all(
    places.map(async (address, i) => {
      try {
        came[i] = await partAt(address, `${NAME}-${i}:`);
      } catch {
        absent.add(`${NAME}-${i}:`);
        return;
      }
      parts.value = came.filter((each) => each !== null);
      lay();
    }),
  );
}

/** Whether a source or a layer is of the base map. */
export function isBasemap(id: string): boolean {
  return id.startsWith(NAME);
}

/** Lays what has come under the layer `above`, and gives whether anything has. */
export function layBelow(map: MapLibre, above: string, theme: Theme): boolean {
  if (parts.value.length === 0) return false;
  for (const { sources, glyphs, sprite } of parts.value) {
    if (glyphs && !map.getGlyphs()) map.setGlyphs(glyphs);
    for (const { id, url } of sprite ?? []) {
      if (!map.getSprite().some((each) => each.id === id)) map.addSprite(id, url);
    }
    for (const [id, source] of Object.entries(sources)) if (!map.getSource(id)) map.addSource(id, source);
  }
  // In the order of the addresses, whichever came first.
  for (const layer of [...parts.value.flatMap(({ layers }) => layers), veil(theme)]) {
    if (map.getLayer(layer.id)) map.moveLayer(layer.id, above);
    else map.addLayer(layer, above);
  }
  return true;
}

// Most maps are made for daylight: in the dark ours would be lost on them.
function veil(theme: Theme): LayerSpecification {
  return {
    id: `${NAME}-veil`,
    type: "background",
    paint: { "background-color": COLOURS[theme].ground, "background-opacity": theme === "dark" ? 0.75 : 0 },
  };
}

/** Hears from the map who is to be named, and which of it is not to be had. */
export function hearBasemap(map: MapLibre): void {
  // Whose tiles have been asked for, and whether one came.
  const asked = new Map<string, boolean>();
  const judge = (): void => {
    for (const [id, isThere] of asked) if (!isThere) absent.add(id);
    asked.clear();
  };
  let timer = 0;
  map.on("sourcedataloading", ({ sourceId, tile }) => {
    if (!tile || !isBasemap(sourceId) || asked.has(sourceId)) return;
    asked.set(sourceId, false);
    clearTimeout(timer);
    timer = window.setTimeout(judge, TILES_MS);
  });
  map.on("sourcedata", (event) => {
    const { sourceId, sourceDataType } = event;
    if (!isBasemap(sourceId ?? "")) return;
    const { attribution } = map.getSource(sourceId) ?? {};
    if (sourceDataType === "metadata" && attribution) told.set(sourceId, attribution);
    if (!hasCome(event)) return;
    asked.set(sourceId, true);
    absent.delete(sourceId);
  });
  // Of a source of which nothing can be known, no tile is asked for.
  map.on("error", (event) => {
    const { sourceId, tile } = event as unknown as Partial<MapSourceDataEvent>;
    if (sourceId && isBasemap(sourceId) && !tile) absent.add(sourceId);
  });
  // One tile that fails is no trouble, nor is one that is not there.
  map.on("idle", judge);
}

function hasCome({ tile, source }: MapSourceDataEvent): boolean {
  // A tile of vectors that is not there is an empty one for MapLibre.
  return tile?.state === "loaded" && (source.type !== "vector" || Boolean(tile.latestFeatureIndex));
}

async function partAt(address: string, name: string): Promise<Part> {
  if (TILES.test(address)) {
    // Most have no deeper zooms than this, and are drawn larger then.
    return pictures(name, { tiles: [address], maxzoom: 18 });
  }
  const found = await json<StyleSpecification | TileJson>(address);
  const from = (place: string): string => absolute(place, address);
  if ("layers" in found) return styled(found, await spritesOf(found, from), name, from);
  const { attribution, minzoom, maxzoom, bounds, scheme, tileSize, vector_layers: vectors } = found;
  const tiles = found.tiles.map(from);
  const known = { tiles, attribution, minzoom, maxzoom, bounds, scheme };
  const source = Object.fromEntries(Object.entries(known).filter(([, value]) => value !== undefined));
  if (!vectors) return pictures(name, { ...source, ...(tileSize && { tileSize }) });
  return {
    sources: { [name]: { type: "vector", ...source } },
    // What its layers hold is not known: each is drawn in quiet lines.
    layers: vectors.map(
      ({ id }): LayerSpecification => ({
        id: `${name}${id}`,
        type: "line",
        source: name,
        "source-layer": id,
        paint: { "line-color": "#a9b1ba", "line-width": 0.8 },
      }),
    ),
  };
}

function pictures(name: string, source: object): Part {
  return {
    sources: { [name]: { type: "raster", tileSize: 256, ...source } },
    layers: [{ id: name, type: "raster", source: name }],
  };
}

// Its names are its own: a source "buildings" of it is another than ours.
function styled(
  { sources, layers, glyphs }: StyleSpecification,
  sprite: { id: string; url: string }[],
  name: string,
  from: (place: string) => string,
): Part {
  return {
    sources: Object.fromEntries(
      Object.entries(sources).map(([id, source]) => [
        `${name}${id}`,
        {
          ...source,
          ...("url" in source && source.url && { url: from(source.url) }),
          ...("tiles" in source && source.tiles && { tiles: source.tiles.map(from) }),
        } as typeof source,
      ]),
    ),
    layers: layers.map((layer) => ({
      ...layer,
      id: `${name}${layer.id}`,
      ...("source" in layer && { source: `${name}${layer.source}` }),
    }) as LayerSpecification),
    ...(glyphs && { glyphs: from(glyphs) }),
    sprite,
  };
}

// Those that are to be had: while MapLibre waits for one, it draws no image of ours either.
async function spritesOf({ sprite }: StyleSpecification, from: (place: string) => string): Promise<{ id: string; url: string }[]> {
  const all = typeof sprite === "string" ? [{ id: "default", url: sprite }] : (sprite ?? []);
  const had = await Promise.all(
    all.map(async ({ id, url: place }) => {
      const url = from(place);
      const file = url.replace(/(\?|$)/, `${devicePixelRatio > 1 ? "@2x" : ""}.json$1`);
      return json(file).then(() => [{ id, url }], () => []);
    }),
  );
  return had.flat();
}

// As it is written, or beside what names it; braces stay.
function absolute(place: string, from: string): string {
  if (/^[a-z][a-z\d+.-]*:/i.test(place)) return place;
  return new URL(place, from).href.replace(/%7B/gi, "{").replace(/%7D/gi, "}");
}

// Of HTML, as TileJSON has it: the words, and links that lead to a page. No tag of it is kept.
function creditsIn(html: string): Credit[] {
  const link = /<a\s[^>]*?href\s*=\s*["']?(https?:[^"'\s>]+)[^>]*>(.*?)<\/a>/gis;
  const credits: Credit[] = [];
  const add = (part: string, address: string | null): void => {
    const text = words(part);
    if (text) credits.push({ text, address });
  };
  let end = 0;
  for (const { 0: whole, 1: address = "", 2: named = "", index } of html.matchAll(link)) {
    add(html.slice(end, index), null);
    add(named, words(address));
    end = index + whole.length;
  }
  add(html.slice(end), null);
  return credits;
}

function words(html: string): string {
  const area = document.createElement("textarea");
  area.innerHTML = html.replace(/<[^>]*>/g, "").replace(/</g, "&lt;");
  return area.value;
}

async function json<Said>(address: string): Promise<Said> {
  const answer = await fetch(address, { signal: AbortSignal.timeout(PATIENCE_MS) });
  if (!answer.ok) throw new Error(`${address}: ${answer.status}`);
  return (await answer.json()) as Said;
}
