// Images that the style names and that are drawn here: patterns of areas, and words.
//
// MapLibre draws letters from files of glyphs, and those of Chinese are tens of megabytes. So what
// is written on the map is an image for each text, drawn in the fonts of the system.

import type { Map as MapLibre } from "maplibre-gl";
import { COLOURS, PATTERNS, type Pattern } from "./palette";
import type { Theme } from "./theme";

export const FONT =
  'system-ui, "PingFang SC", "HarmonyOS Sans SC", "Noto Sans SC", "Microsoft YaHei", "WenQuanYi Micro Hei", sans-serif';

// Pixels of an image for one of the screen.
const RATIO = 2;

const TEXTS = {
  grid: { size: 12, weight: 400, colour: "text", halo: "halo" },
  community: { size: 14, weight: 600, colour: "text", halo: "halo" },
  count: { size: 13, weight: 700, colour: null, halo: null },
} as const;

/** The name of the image of a text, which is an expression or known. */
export function textImage(kind: keyof typeof TEXTS, field: string): unknown[] {
  return ["concat", `${kind}:`, ["to-string", ["get", field]]];
}

/** Draws what the map's style misses, in the theme that is then. */
export function provideImages(map: MapLibre, theme: () => Theme): void {
  map.on("styleimagemissing", ({ id }) => {
    const [kind = "", text = ""] = id.split(/:(.*)/s);
    if (kind in TEXTS) map.addImage(id, word(kind as "grid", text, theme()), { pixelRatio: RATIO });
    else if (isPattern(kind)) map.addImage(id, pattern(kind, text, 12), { pixelRatio: RATIO });
    // What a base map names and does not bring is nothing to be seen.
    else map.addImage(id, new ImageData(1, 1));
  });
}

function isPattern(name: string): name is Pattern {
  return Object.values<string>(PATTERNS).includes(name);
}

/** A square of a pattern that goes on at all sides. `size`: pixels of the screen. */
export function pattern(name: Pattern, colour: string, size: number): ImageData {
  const side = size * RATIO;
  const pen = canvas(side, side);
  pen.strokeStyle = pen.fillStyle = colour;
  pen.lineWidth = 1.6 * RATIO;
  const line = (x: number, y: number, dx: number, dy: number): void => {
    pen.moveTo(x, y);
    pen.lineTo(x + dx, y + dy);
  };
  if (name === "hatch" || name === "crosshatch") {
    for (const shift of [-side, 0, side]) {
      line(shift, side, side, -side);
      if (name === "crosshatch") line(shift, 0, side, side);
    }
  } else if (name === "bars") {
    line(0, side / 4, side, 0);
    line(0, (side * 3) / 4, side, 0);
  } else {
    for (const at of [side / 4, (side * 3) / 4]) {
      pen.moveTo(at, at);
      pen.arc(at, at, side / 9, 0, 2 * Math.PI);
    }
    pen.fill();
  }
  pen.stroke();
  return pen.getImageData(0, 0, side, side);
}

function word(kind: keyof typeof TEXTS, text: string, theme: Theme): ImageData {
  const { size, weight, colour, halo } = TEXTS[kind];
  const font = `${weight} ${size * RATIO}px ${FONT}`;
  const edge = halo ? 3 * RATIO : 0;
  const measure = canvas(1, 1);
  measure.font = font;
  const width = Math.max(1, Math.ceil(measure.measureText(text).width));
  const pen = canvas(width + 2 * edge, size * 1.4 * RATIO + 2 * edge);
  pen.font = font;
  pen.textBaseline = "middle";
  pen.lineJoin = "round";
  const middle = pen.canvas.height / 2;
  if (halo) {
    pen.strokeStyle = COLOURS[theme][halo];
    pen.lineWidth = 2 * edge * 0.7;
    pen.strokeText(text, edge, middle);
  }
  pen.fillStyle = colour ? COLOURS[theme][colour] : "#ffffff";
  pen.fillText(text, edge, middle);
  return pen.getImageData(0, 0, pen.canvas.width, pen.canvas.height);
}

function canvas(width: number, height: number): CanvasRenderingContext2D {
  const made = document.createElement("canvas");
  made.width = Math.round(width);
  made.height = Math.round(height);
  const pen = made.getContext("2d", { willReadFrequently: true });
  if (!pen) throw new Error("no canvas");
  return pen;
}
