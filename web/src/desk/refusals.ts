// Why something was refused, in the reader's language: by the reason that the server gives, or else
// by its code, and then with what it said, which is English.

import type { Refused } from "../lib/api";
import { i18n } from "./language";

export interface Told {
  words: string;
  /** What the server said beside that; null where the words say it all. */
  said: string | null;
}

/** `values`: for the words, in place of what the server named so. */
export function told(refused: Refused, values: Record<string, string> = {}): Told {
  const { t, te, locale } = i18n.global;
  const { code, details, message } = refused;
  const reason = `reasons.${String(details?.reason)}`;
  if (te(reason)) return { words: t(reason, { ...details, ...values }), said: null };
  if (details && locale.value === "en") return { words: message, said: null };
  const general = `refusals.${code}`;
  return { words: t(te(general) ? general : "refusals.INTERNAL"), said: details && message };
}
