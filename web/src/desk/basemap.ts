// What lies below our layers where the server is told to have something there.

import type { LayerSpecification, StyleSpecification } from "maplibre-gl";
import { shallowRef } from "vue";
import { base } from "../lib/api";
import type { Basemap } from "./style";

interface Setting {
  /** Of tiles, of a TileJSON or of a style, the lowest first. */
  addresses: string[];
  /** Null where the TileJSON or the style says it. */
  attribution: string | null;
}

interface TileJson {
  vector_layers?: { id: string }[];
  attribution?: string;
}

/** Who is to be named for it; "" for nobody. */
export const attribution = shallowRef("");

/** Null where there is none, or where it is not heard. */
export async function fetchBasemap(): Promise<Basemap | null> {
  try {
    const { addresses, attribution: whose } = await json<Setting>(new URL("basemap.json", base).href);
    if (addresses.length === 0) return null;
    const parts = await Promise.all(addresses.map((address, i) => part(address, `basemap-${i}`)));
    attribution.value = whose ?? parts.map((each) => each.attribution).filter(Boolean).join(" · ");
    return {
      sources: Object.assign({}, ...parts.map(({ sources }) => sources)),
      layers: parts.flatMap(({ layers }) => layers),
      ...Object.assign({}, ...parts.map(({ glyphs, sprite }) => ({ ...(glyphs && { glyphs }), ...(sprite && { sprite }) }))),
    };
  } catch {
    return null;
  }
}

async function part(address: string, id: string): Promise<Basemap & { attribution: string }> {
  if (address.includes("{z}") || address.includes("{x}")) {
    return {
      // Most have no deeper zooms than this, and are drawn larger then.
      sources: { [id]: { type: "raster", tiles: [address], tileSize: 256, maxzoom: 18 } },
      layers: [{ id, type: "raster", source: id }],
      attribution: "",
    };
  }
  const said = await json<StyleSpecification | TileJson>(address);
  if ("layers" in said) {
    const { sources, layers, glyphs, sprite } = said;
    const whose = Object.values(sources).map((source) => ("attribution" in source ? source.attribution : ""));
    return {
      sources,
      layers,
      ...(glyphs && { glyphs }),
      ...(sprite && { sprite }),
      attribution: whose.filter(Boolean).join(" · "),
    };
  }
  const { vector_layers: vectors, attribution: whose = "" } = said as TileJson;
  if (!vectors) {
    return {
      sources: { [id]: { type: "raster", url: address } },
      layers: [{ id, type: "raster", source: id }],
      attribution: whose,
    };
  }
  return {
    sources: { [id]: { type: "vector", url: address } },
    // What its layers hold is not known: each is drawn in quiet lines.
    layers: vectors.map(
      (layer): LayerSpecification => ({
        id: `${id}-${layer.id}`,
        type: "line",
        source: id,
        "source-layer": layer.id,
        paint: { "line-color": "#a9b1ba", "line-width": 0.8 },
      }),
    ),
    attribution: whose,
  };
}

async function json<Said>(address: string): Promise<Said> {
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(`${address}: ${answer.status}`);
  return (await answer.json()) as Said;
}
