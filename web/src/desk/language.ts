// Chinese or English, as chosen last on any page of this server; Chinese at first.

import { createI18n } from "vue-i18n";
import { chosenLanguage, keepLanguage } from "../lib/languages";
import { en, zh } from "./messages";
import { enEdit, zhEdit } from "./messages_edit";

export const i18n = createI18n({
  legacy: false,
  locale: chosenLanguage(),
  fallbackLocale: "zh",
  messages: { zh: { ...zh, ...zhEdit }, en: { ...en, ...enEdit } },
});

const { locale, t } = i18n.global;

export function switchLanguage(): void {
  locale.value = locale.value === "zh" ? "en" : "zh";
  keepLanguage(locale.value);
  describePage();
}

export function describePage(): void {
  document.documentElement.lang = locale.value === "zh" ? "zh-CN" : "en";
  document.title = t("title");
}

/** A number as people read it: 1,234.5. */
export function number(value: number, digits = 0): string {
  return new Intl.NumberFormat(locale.value === "zh" ? "zh-CN" : "en-GB", {
    maximumFractionDigits: digits,
  }).format(value);
}

/** A share of 0 to 1. */
export function percent(share: number, digits = 1): string {
  return `${number(share * 100, digits)}%`;
}

/** Square metres, as hectares or square kilometres where they are many. */
export function area(squareMetres: number): string {
  if (squareMetres >= 1e6) return `${number(squareMetres / 1e6, 2)} km²`;
  if (squareMetres >= 1e4) return `${number(squareMetres / 1e4, 1)} ha`;
  return `${number(squareMetres)} m²`;
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
