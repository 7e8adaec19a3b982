// Days as 2026-03-01, in China, where the districts are.

import { i18n } from "./language";

const LONG = 86_400_000;

export function today(): string {
  return dayOf(new Date());
}

/** The day of a moment. */
export function dayOf(moment: Date | string): string {
  return new Intl.DateTimeFormat("sv-SE", { timeZone: "Asia/Shanghai" }).format(new Date(moment));
}

export function dayAfter(day: string, many = 1): string {
  return new Date(Date.parse(day) + many * LONG).toISOString().slice(0, 10);
}

export function daysBetween(from: string, to: string): number {
  return Math.round((Date.parse(to) - Date.parse(from)) / LONG);
}

/** When a day begins. */
export function beginning(day: string): string {
  return `${day}T00:00:00+08:00`;
}

/** The day as people say it: 3月1日, and with its year where it is of another. */
export function dayInWords(day: string): string {
  const isOfThisYear = day.slice(0, 4) === today().slice(0, 4);
  return new Intl.DateTimeFormat(i18n.global.locale.value === "zh" ? "zh-CN" : "en-GB", {
    timeZone: "UTC",
    year: isOfThisYear ? undefined : "numeric",
    month: i18n.global.locale.value === "zh" ? "long" : "short",
    day: "numeric",
  }).format(new Date(day));
}
