// Why something was refused, in the reader's language: by the reason that the server gives, or else
// by its code, and then with what it said, which is English.

import type { Refused } from "../lib/api";
import { i18n } from "./language";
import { type Named, inChinese } from "./reasons";

export interface Told {
  words: string;
  /** What the server said beside that; null where the words say it all. */
  said: string | null;
}

export function told({ code, details, message }: Refused, named?: Named): Told {
  const { t, te, locale } = i18n.global;
  if (details && locale.value === "en") return { words: message, said: null };
  const reason = details && inChinese(details, named);
  if (reason) return { words: reason, said: null };
  const general = `refusals.${code}`;
  return { words: t(te(general) ? general : "refusals.INTERNAL"), said: details && message };
}
