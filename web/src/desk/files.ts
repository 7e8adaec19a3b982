// Files of what is seen: lists as GeoJSON and CSV, and the map as a picture.
//
// What nobody covers, and reports, come as the server makes them. Other lists are made here, of all
// pages. Each says its datum: GeoJSON in a member of its own beside the features, CSV in a column.

import type { Geometry } from "geojson";
import { Refused, base, refusalOf } from "../lib/api";
import {
  BuildingListDocument,
  type BuildingListQuery,
  type Datum,
  GridListDocument,
  type GridListQuery,
  RegionSponsorsDocument,
  type RegionSponsorsQuery,
} from "../lib/gql/graphql";
import { boundsOf } from "../lib/map";
import { myToken, way } from "../lib/session";
import { map } from "./DeskMap";
import { allPages } from "./answers";
import { attribution } from "./basemap";
import { today } from "./days";
import { regionFilter } from "./filter";
import { FONT, pattern } from "./images";
import { i18n } from "./language";
import { keys } from "./legend";
import { seen } from "./overlays";
import { COLOURS, type Pattern } from "./palette";
import { theme } from "./theme";
import { view } from "./view";

export const LISTS = [
  "gaps",
  "overlaps",
  "gridsWithoutWorker",
  "gridsWithoutSponsor",
  "gridsOverNorm",
  "buildingsOutsideGrids",
  "buildingsWithoutSponsor",
  "buildingsWithoutManagement",
  "buildingsNotVisited",
  "buildingsWithoutMemberCard",
] as const;
export type What = "map" | "grids" | "buildings" | "sponsors" | "reports" | (typeof LISTS)[number];
export type Form = "png" | "geojson" | "csv" | "xlsx";

export interface Wanted {
  what: What;
  form: Form;
  /** Of the region, or of what the map shows. */
  of: "region" | "seen";
  datum: Datum;
  /** What the region is called. */
  region: string;
}

/** In which forms there is something. */
export function formsOf(what: What): Form[] {
  if (what === "map") return ["png"];
  if (what === "sponsors") return ["csv"];
  return what === "reports" ? ["csv", "xlsx"] : ["geojson", "csv"];
}

/** Whether it can be had of what the map shows, and in a datum that is chosen. */
export function isMadeHere(what: What): boolean {
  return what === "grids" || what === "buildings";
}

/** Makes the file and has the browser save it. Throws Refused, or Error where it could not be had. */
export async function save(wanted: Wanted): Promise<void> {
  const blob = await made(wanted);
  const address = URL.createObjectURL(blob);
  const anchor = document.createElement("a");
  anchor.href = address;
  anchor.download = nameOf(wanted);
  anchor.click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

function nameOf({ what, form, of, datum }: Wanted): string {
  const { t } = i18n.global;
  const where = of === "seen" && isMadeHere(what) ? t("files.seen") : view.region;
  const words = [t(`files.${what}`), where, view.on || today()];
  if (isMadeHere(what) && datum !== "WGS84") words.push(datum);
  return `${words.join("_")}.${form}`;
}

async function made(wanted: Wanted): Promise<Blob> {
  const { what, form } = wanted;
  if (what === "map") return picture(wanted.region);
  if (what === "grids") return fileOf(GRID, wanted, await allPages(GridListDocument, asked(wanted), (data) => data.grids));
  if (what === "buildings") {
    return fileOf(BUILDING, wanted, await allPages(BuildingListDocument, asked(wanted), (data) => data.buildings));
  }
  if (what === "sponsors") {
    const variables = { region: view.region, on: view.on || null };
    return fileOf(SPONSOR, wanted, await allPages(RegionSponsorsDocument, variables, (data) => data.sponsors));
  }
  const language = i18n.global.locale.value;
  if (what === "reports") {
    return fetched(`reports.${form}`, { filter: JSON.stringify(regionFilter.value), language });
  }
  return fetched(`coverage/${what}.${form}`, {
    region: view.region,
    ...(form === "csv" && { language }),
    ...(view.on && { on: view.on }),
    ...(what === "buildingsNotVisited" && { days: "30" }),
  });
}

function asked({ of, datum }: Wanted) {
  const on = view.on || null;
  if (of === "region" || !seen.value) return { region: view.region, on, datum };
  const [west, south, east, north] = seen.value.bounds;
  return { bounds: { west, south, east, north }, on, datum };
}

async function fetched(path: string, parameters: Record<string, string>): Promise<Blob> {
  const token = way.value ? await myToken() : null;
  const answer = await fetch(new URL(`${path}?${new URLSearchParams(parameters)}`, base), {
    headers: token ? { authorization: `Bearer ${token}` } : {},
  }).catch((error: unknown) => {
    throw new Refused("OFFLINE", String(error));
  });
  if (answer.ok) return answer.blob();
  throw refusalOf(answer.status, await answer.json().catch(() => null));
}

// Of a list: what each row is called in both languages, and where it is.
interface Columns<Row> {
  words: [zh: string, en: string, of: (row: Row) => string | number | null | undefined][];
  place: ((row: Row) => Geometry) | null;
}

type GridRow = GridListQuery["grids"]["nodes"][number];
type BuildingRow = BuildingListQuery["buildings"]["nodes"][number];
type SponsorRow = RegionSponsorsQuery["sponsors"]["nodes"][number];

const GRID: Columns<GridRow> = {
  words: [
    ["网格编码", "code", ({ code }) => code],
    ["网格", "name", ({ name }) => name],
    ["社区编码", "community", ({ community }) => community.code],
    ["社区", "communityName", ({ community }) => community.name],
    ["街道", "street", ({ street }) => street.name],
    ["区", "district", ({ district }) => district.name],
    ["网格员", "workers", ({ workers }) => workers.map(({ name }) => name).join("、")],
    ["包保单位编码", "sponsor", ({ sponsor }) => sponsor?.code],
    ["包保单位", "sponsorName", ({ sponsor }) => sponsor?.name],
    ["面积（平方米）", "areaM2", ({ area }) => Math.round(area * 10) / 10],
  ],
  place: ({ boundary }) => boundary,
};
const BUILDING: Columns<BuildingRow> = {
  words: [
    ["楼栋编码", "code", ({ code }) => code],
    ["楼栋", "name", ({ name }) => name],
    ["小区", "compound", ({ compound }) => compound],
    ["户数", "households", ({ households }) => households],
    ["管理方式", "management", ({ managementMode }) => managementMode],
    ["包保单位编码", "sponsor", ({ sponsor }) => sponsor?.code],
    ["包保单位", "sponsorName", ({ sponsor }) => sponsor?.name],
    ["网格编码", "grid", ({ grid }) => grid?.code],
    ["网格", "gridName", ({ grid }) => grid?.name],
  ],
  place: ({ location }) => location,
};
const SPONSOR: Columns<SponsorRow> = {
  words: [
    ["单位编码", "code", ({ code }) => code],
    ["单位", "name", ({ name }) => name],
    ["级别", "level", ({ level }) => i18n.global.t(`levels.${level}`)],
    ["领导职务", "leaderRole", ({ leaderRole }) => leaderRole],
    ["所属区域", "region", ({ region }) => region.name],
    ["楼栋数", "buildings", ({ buildingCount }) => buildingCount],
    ["户数", "households", ({ householdCount }) => householdCount],
    ["网格数", "grids", ({ gridCount }) => gridCount],
  ],
  place: null,
};

function fileOf<Row>({ words, place }: Columns<Row>, { form, datum }: Wanted, rows: Row[]): Blob {
  if (form === "geojson" && place) {
    const features = rows.map((row) => ({
      type: "Feature",
      properties: Object.fromEntries(words.map(([, name, of]) => [name, of(row) ?? null])),
      geometry: place(row),
    }));
    const file = { type: "FeatureCollection", datum, on: view.on || today(), features };
    return new Blob([JSON.stringify(file)], { type: "application/geo+json" });
  }
  const isChinese = i18n.global.locale.value === "zh";
  const columns = words.map(([zh, en, of]) => ({ heading: isChinese ? zh : en, of }));
  if (place) {
    const at = (axis: 0 | 1) => (row: Row) => {
      const [west, south, east, north] = boundsOf([place(row)]) ?? [0, 0, 0, 0];
      return (axis === 0 ? (west + east) / 2 : (south + north) / 2).toFixed(7);
    };
    columns.push(
      { heading: isChinese ? "经度" : "longitude", of: at(0) },
      { heading: isChinese ? "纬度" : "latitude", of: at(1) },
      { heading: isChinese ? "坐标系" : "datum", of: () => datum },
    );
  }
  const lines = [columns.map(({ heading }) => heading), ...rows.map((row) => columns.map(({ of }) => of(row)))];
  // With a byte-order mark, by which spreadsheets know UTF-8.
  const text = `\uFEFF${lines.map((line) => `${line.map(cell).join(",")}\r\n`).join("")}`;
  return new Blob([text], { type: "text/csv;charset=utf-8" });
}

// As the server writes them: a spreadsheet is not to take a text for a formula.
function cell(value: string | number | null | undefined): string {
  const text = String(value ?? "");
  const safe = typeof value === "string" && /^[=+\-@＝＋－＠\t\r\n]/u.test(text) && Number.isNaN(Number(text)) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** The map as it is, with its region, day, legend, scale, and who is to be named. */
async function picture(region: string): Promise<Blob> {
  const shown = map.value;
  if (!shown) throw new Error("no map");
  const { t } = i18n.global;
  const c = COLOURS[theme.value];
  const image = shown.getCanvas();
  const ratio = image.width / image.clientWidth;
  const [wide, high] = [image.clientWidth, image.clientHeight];
  const entries = keys();
  const pad = 20;
  const column = 176;
  const columns = Math.max(1, Math.floor((wide - 2 * pad) / column));
  const rows = Math.ceil(entries.length / columns);
  const head = 56;
  const foot = rows * 24 + 56;
  const sheet = document.createElement("canvas");
  sheet.width = Math.round(wide * ratio);
  sheet.height = Math.round((head + high + foot) * ratio);
  const pen = sheet.getContext("2d");
  if (!pen) throw new Error("no canvas");
  pen.scale(ratio, ratio);
  pen.fillStyle = c.land;
  pen.fillRect(0, 0, wide, head + high + foot);
  pen.drawImage(image, 0, head, wide, high);

  const write = (text: string, x: number, y: number, font: string, align: CanvasTextAlign = "left"): void => {
    pen.font = `${font} ${FONT}`;
    pen.fillStyle = c.text;
    pen.textAlign = align;
    pen.textBaseline = "middle";
    pen.fillText(text, x, y);
  };
  write(`${t("title")} · ${region}`, pad, head / 2, "600 20px");
  write(t("figures.asOf", { day: view.on || today() }), wide - pad, head / 2, "400 14px", "right");

  entries.forEach(({ shape, colour, text }, i) => {
    const x = pad + (i % columns) * column;
    const y = head + high + 24 + Math.floor(i / columns) * 24;
    drawKey(pen, shape, colour, x, y - 7);
    write(text, x + 30, y, "400 13px");
  });

  const below = head + high + foot - 22;
  const { metres, pixels } = scaleOf(shown.getCenter().lat, shown.getZoom());
  pen.strokeStyle = c.text;
  pen.lineWidth = 1.5;
  pen.beginPath();
  pen.moveTo(pad, below - 6);
  pen.lineTo(pad, below);
  pen.lineTo(pad + pixels, below);
  pen.lineTo(pad + pixels, below - 6);
  pen.stroke();
  write(metres >= 1000 ? `${metres / 1000} km` : `${metres} m`, pad + pixels + 8, below - 3, "400 12px");
  const whose = [t("files.attribution", { day: today() }), attribution.value].filter(Boolean).join(" · ");
  write(whose, wide - pad, below - 3, "400 12px", "right");
  return new Promise((done, fail) =>
    sheet.toBlob((blob) => (blob ? done(blob) : fail(new Error("no picture"))), "image/png"),
  );
}

function drawKey(pen: CanvasRenderingContext2D, shape: string, colour: string, x: number, y: number): void {
  pen.save();
  pen.fillStyle = pen.strokeStyle = colour;
  pen.beginPath();
  if (shape === "dot") {
    pen.arc(x + 11, y + 7, 5.5, 0, 2 * Math.PI);
    pen.fill();
  } else if (shape === "line") pen.fillRect(x, y + 6, 22, 2);
  else if (shape === "area") pen.fillRect(x, y, 22, 14);
  else {
    const tile = pattern(shape as Pattern, colour, 10);
    const small = document.createElement("canvas");
    small.width = small.height = tile.width;
    small.getContext("2d")?.putImageData(tile, 0, 0);
    pen.rect(x, y, 22, 14);
    pen.lineWidth = 1.5;
    pen.stroke();
    pen.clip();
    for (let dx = 0; dx < 22; dx += 10) for (let dy = 0; dy < 14; dy += 10) pen.drawImage(small, x + dx, y + dy, 10, 10);
  }
  pen.restore();
}

/** A round length on the ground and how long it is on the screen, about 100 pixels. */
function scaleOf(latitude: number, zoom: number): { metres: number; pixels: number } {
  // The equator, over tiles of 512 pixels.
  const perPixel = (40_075_016.686 * Math.cos((latitude * Math.PI) / 180)) / (512 * 2 ** zoom);
  const most = perPixel * 120;
  const power = 10 ** Math.floor(Math.log10(most));
  const metres = ([5, 2, 1].find((each) => each * power <= most) ?? 1) * power;
  return { metres, pixels: metres / perPixel };
}
