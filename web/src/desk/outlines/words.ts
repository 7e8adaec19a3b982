// What went wrong, and grids, as the reader is told of them.

import { useI18n } from "vue-i18n";
import type { WarnedFragment } from "../../lib/gql/graphql";
import type { Position } from "../../lib/earth";
import { plan, sheet } from "./editor";
import { Refused } from "../../lib/api";
import { type Told, told as toldRefusal } from "../refusals";
import { Problem } from "./problem";
import { placeIn, said } from "./telling";

export function useWords() {
  const { t, locale } = useI18n();

  /** The name of a grid by its code; the code where it is not known here. */
  function named(code: string | null | undefined): string {
    if (!code) return t("edit.plan.nobody");
    const grid = sheet.value.find((each) => each.code === code);
    return grid?.name || plan.value?.grids.find((each) => each.code === code)?.name || code;
  }

  function told(error: unknown): Told {
    if (error instanceof Problem) return { words: t(`edit.problem.${error.code}`, { ...error.values }), said: null };
    return toldRefusal(error instanceof Refused ? error : new Refused("BROKEN", String(error)), named);
  }

  /** A warning of the server's, in the reader's language. */
  function sentence(warned: WarnedFragment): string {
    return said(warned, locale.value, named);
  }

  function placeOf(error: unknown): Position | null {
    if (error instanceof Problem) return error.place;
    return error instanceof Error ? placeIn(error.message) : null;
  }

  function list(codes: readonly string[]): string {
    return codes.map(named).join(t("edit.list"));
  }

  return { t, named, told, sentence, placeOf, list };
}

/** Square metres to a few of them, so that what a border moves is seen. */
export function ground(squareMetres: number): string {
  const [size, digits, unit] =
    squareMetres >= 1e6
      ? [squareMetres / 1e6, 3, "km²"]
      : squareMetres >= 1e4
        ? [squareMetres / 1e4, 2, "ha"]
        : [squareMetres, 0, "m²"];
  const written = new Intl.NumberFormat(document.documentElement.lang, {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  }).format(size);
  return `${written} ${unit}`;
}
