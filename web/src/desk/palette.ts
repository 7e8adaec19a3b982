// Colours. Those that mean something are of Okabe and Ito's palette (Color Universal Design, 2008),
// and where many are to be told apart of Paul Tol's "muted" and "light" schemes (2021): people see
// them apart who do not see all colours. Shares are in steps of Tol's YlOrBr, from light to dark,
// which shows in grey too.

import type { ManagementMode } from "../lib/gql/graphql";
import type { Theme } from "./theme";

/** Of single reports, the most urgent first. */
export const URGENCIES = [
  ["EMERGENCY", "#d55e00"],
  ["URGENT", "#e69f00"],
  ["ROUTINE", "#56b4e9"],
] as const;

export const MODES = [
  "COMMUNITY_LED",
  "PROFESSIONAL",
  "BASELINE_CLEANING",
  "SELF_MANAGED",
  "UNMANAGED",
] as const satisfies ManagementMode[];

interface Colours {
  ground: string;
  land: string;
  line: string;
  border: string;
  text: string;
  halo: string;
  other: string;
  modes: Record<ManagementMode, string>;
  sponsors: readonly string[];
  gap: string;
  overlap: string;
  lack: string;
  cluster: string;
  hotspot: string;
  pick: string;
}

export const COLOURS: Record<Theme, Colours> = {
  light: {
    ground: "#f2f1ec",
    land: "#ffffff",
    line: "#74808e",
    border: "#3c4856",
    text: "#1d2733",
    halo: "#ffffff",
    other: "#9aa3ad",
    modes: {
      COMMUNITY_LED: "#0072b2",
      PROFESSIONAL: "#009e73",
      BASELINE_CLEANING: "#e69f00",
      SELF_MANAGED: "#cc79a7",
      UNMANAGED: "#5b6470",
    },
    sponsors: ["#332288", "#88ccee", "#117733", "#ddcc77", "#cc6677", "#44aa99", "#882255", "#999933"],
    gap: "#d55e00",
    overlap: "#7b3294",
    lack: "#1d2733",
    cluster: "#b3400a",
    hotspot: "#d55e00",
    pick: "#0b5cad",
  },
  dark: {
    ground: "#11161c",
    land: "#1a2129",
    line: "#7d8b9a",
    border: "#b9c4d0",
    text: "#eef2f6",
    halo: "#11161c",
    other: "#6f7b88",
    modes: {
      COMMUNITY_LED: "#56b4e9",
      PROFESSIONAL: "#1fb58a",
      BASELINE_CLEANING: "#e69f00",
      SELF_MANAGED: "#d990b8",
      UNMANAGED: "#aab4bf",
    },
    sponsors: ["#77aadd", "#ee8866", "#eedd88", "#ffaabb", "#99ddff", "#44bb99", "#bbcc33", "#aaaa00"],
    gap: "#f0803c",
    overlap: "#c9a0dc",
    lack: "#eef2f6",
    cluster: "#c5500f",
    hotspot: "#f0803c",
    pick: "#7cc0f5",
  },
};

/** Of grids by how many reports they have, few to many; the same in light and dark. */
export const STEPS = ["#fee391", "#fec44f", "#fb9a29", "#cc4c02", "#8c2d04"] as const;

/** The pattern of each kind of area that nobody is to take for another, whatever the colours. */
export const PATTERNS = {
  gaps: "hatch",
  overlaps: "crosshatch",
  worker: "dots",
  sponsor: "bars",
} as const;
export type Pattern = (typeof PATTERNS)[keyof typeof PATTERNS];
