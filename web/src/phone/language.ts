// Chinese or English, as chosen last; Chinese at first.

import { createI18n } from "vue-i18n";
import { messages } from "./messages";

export type Language = keyof typeof messages;

const NAME = "gridmap-language";

export const i18n = createI18n({
  legacy: false,
  locale: chosen(),
  fallbackLocale: "zh",
  messages,
});

const { locale, t } = i18n.global;

export function switchLanguage(): void {
  locale.value = locale.value === "zh" ? "en" : "zh";
  try {
    localStorage.setItem(NAME, locale.value);
  } catch {
    // A browser that keeps nothing shows Chinese the next time.
  }
  describePage();
}

export function describePage(): void {
  document.documentElement.lang = locale.value === "zh" ? "zh-CN" : "en";
  document.title = t("title");
}

/** Metres as people say them: 8, 120, 1.3 kilometres. */
export function metres(length: number): string {
  if (length >= 950) return t("kilometres", { n: (length / 1000).toFixed(1) });
  const step = length < 100 ? 1 : 10;
  return t("metres", { n: Math.max(1, Math.round(length / step) * step) });
}

/** A moment, in China, where the districts are. */
export function moment(iso: string): string {
  return new Intl.DateTimeFormat(locale.value === "zh" ? "zh-CN" : "en-GB", {
    timeZone: "Asia/Shanghai",
    month: locale.value === "zh" ? "numeric" : "short",
    day: "numeric",
    hour: "2-digit",
    minute: "2-digit",
    hourCycle: "h23",
  }).format(new Date(iso));
}

/** A day as 2026-03-01 says it. */
export function day(iso: string): string {
  return new Intl.DateTimeFormat(locale.value === "zh" ? "zh-CN" : "en-GB", {
    timeZone: "UTC",
    month: locale.value === "zh" ? "numeric" : "short",
    day: "numeric",
  }).format(new Date(iso));
}

export function percent(share: number): string {
  return `${Math.round(share * 100)}%`;
}

function chosen(): Language {
  try {
    return localStorage.getItem(NAME) === "en" ? "en" : "zh";
  } catch {
    return "zh";
  }
}
