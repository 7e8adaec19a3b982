// What the planner looks at: one state, kept in what follows # in the address, so that a link, a
// reload, and back and forward bring it back.

import { reactive, watch } from "vue";
import type { Position } from "../lib/earth";

export const LAYERS = [
  "regions",
  "grids",
  "buildings",
  "gaps",
  "overlaps",
  "lacks",
  "clusters",
  "hotspots",
  "reports",
] as const;
export type LayerName = (typeof LAYERS)[number];

export const PANELS = ["place", "figures", "office", "edit", "compare"] as const;
export type PanelName = (typeof PANELS)[number];

/** What is selected: a place on the map, or something by its code (a report by its number). */
export type Pick =
  | { kind: "point"; at: Position }
  | { kind: "grid" | "building" | "sponsor" | "report"; code: string };

export interface View {
  /** The middle of the map; null until the map has chosen one. */
  centre: Position | null;
  zoom: number;
  /** The code of the region whose figures are told; "" until one is chosen. */
  region: string;
  /** The day that is shown, as 2026-03-01; "" for today. */
  on: string;
  layers: LayerName[];
  /** How grids are filled: not at all, or by how many reports they have. */
  colour: "plain" | "reports";
  buildings: "sponsor" | "mode";
  /** The days of reports that are shown, the last included; "" for no limit. */
  from: string;
  to: string;
  /** The code of the category of reports that are shown; "" for all. */
  category: string;
  /** Of whoever is told of some reports alone: whether the map is of these, or the public's of all. */
  whose: "mine" | "all";
  pick: Pick | null;
  /** The other day that `on` is compared with; "" for none. */
  compare: string;
  panel: PanelName;
}

const USUAL: View = {
  centre: null,
  zoom: 4,
  region: "",
  on: "",
  layers: ["regions", "grids", "buildings", "gaps", "overlaps", "clusters", "reports"],
  colour: "plain",
  buildings: "mode",
  from: "",
  to: "",
  category: "",
  whose: "mine",
  pick: null,
  compare: "",
  panel: "place",
};

export const view: View = reactive(read(location.hash));

export function hasLayer(name: LayerName): boolean {
  return view.layers.includes(name);
}

/** The address that brings this view back. */
export function link(): string {
  const address = new URL(location.href);
  address.hash = written(view);
  return address.href;
}

/** Keeps the address and the view alike from now on. */
export function followAddress(): void {
  watch(
    () => written(view),
    (hash) => {
      const before = read(location.hash);
      if (hash === written(before)) return;
      // Whoever goes back wants what was looked at before, not each step of a movement.
      const isStep = STEPS.some((name) => JSON.stringify(before[name]) !== JSON.stringify(view[name]));
      history[isStep ? "pushState" : "replaceState"](null, "", hash);
    },
    { flush: "post" },
  );
  addEventListener("popstate", () => Object.assign(view, read(location.hash)));
}

const STEPS = ["region", "on", "pick", "compare", "panel"] as const;

function written({ centre, zoom, layers, pick, ...words }: View): string {
  const said: string[] = [];
  if (centre) said.push(`at=${[...centre.map((each) => each.toFixed(5)), zoom.toFixed(2)].join()}`);
  if (layers.join() !== USUAL.layers.join()) said.push(`layers=${layers.join()}`);
  for (const name of Object.keys(words) as (keyof typeof words)[]) {
    if (words[name] !== USUAL[name]) said.push(`${name}=${encodeURIComponent(words[name])}`);
  }
  if (pick) said.push(`pick=${pick.kind}:${encodeURIComponent(pick.kind === "point" ? pick.at.map((each) => each.toFixed(6)).join() : pick.code)}`);
  return `#${said.join("&")}`;
}

// What makes no sense in an address is passed over.
function read(hash: string): View {
  const given = new URLSearchParams(hash.replace(/^#/, ""));
  const [longitude, latitude, zoom] = numbers(given.get("at"), 3);
  const day = (name: string): string => {
    const text = given.get(name) ?? "";
    // There is no 30 February, which some browsers take for a day of March.
    const found = new Date(`${text}T00:00:00Z`);
    return !Number.isNaN(found.getTime()) && found.toISOString().slice(0, 10) === text ? text : "";
  };
  const code = (name: string): string => /^\w{1,64}$/.exec(given.get(name) ?? "")?.[0] ?? "";
  const layers = given.get("layers")?.split(",");
  const days = { from: day("from"), to: day("to") };
  return {
    centre: placed(longitude, latitude),
    zoom: zoom ?? USUAL.zoom,
    region: code("region"),
    on: day("on"),
    layers: layers ? LAYERS.filter((name) => layers.includes(name)) : [...USUAL.layers],
    colour: oneOf(["plain", "reports"], given.get("colour"), USUAL.colour),
    buildings: oneOf(["sponsor", "mode"], given.get("buildings"), USUAL.buildings),
    ...(days.from && days.to && days.from > days.to ? { from: "", to: "" } : days),
    category: code("category"),
    whose: oneOf(["mine", "all"], given.get("whose"), USUAL.whose),
    pick: picked(given.get("pick")),
    compare: day("compare"),
    panel: oneOf(PANELS, given.get("panel"), USUAL.panel),
  };
}

function picked(text: string | null): Pick | null {
  const [, kind, code = ""] = /^(point|grid|building|sponsor|report):(\P{Cc}{1,64})$/u.exec(text ?? "") ?? [];
  if (!kind) return null;
  if (kind !== "point") return { kind: kind as "grid", code };
  const at = placed(...numbers(code, 2));
  return at && { kind, at };
}

function placed(longitude = NaN, latitude = NaN): Position | null {
  return Math.abs(longitude) <= 180 && Math.abs(latitude) <= 85 ? [longitude, latitude] : null;
}

function numbers(text: string | null, many: number): number[] {
  const found = (text ?? "").split(",").map(Number);
  return text && found.length === many && found.every(Number.isFinite) ? found : [];
}

function oneOf<Name extends string>(names: readonly Name[], text: string | null, usual: Name): Name {
  return names.find((name) => name === text) ?? usual;
}
