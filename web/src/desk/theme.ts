// Light or dark: as the system is, unless it was chosen here.

import { computed, ref, watchEffect } from "vue";

export type Theme = "light" | "dark";

const NAME = "gridmap-theme";
const system = matchMedia("(prefers-color-scheme: dark)");

const ofSystem = ref<Theme>(system.matches ? "dark" : "light");
const chosen = ref<Theme | null>(kept());

export const theme = computed<Theme>(() => chosen.value ?? ofSystem.value);

export function switchTheme(): void {
  chosen.value = theme.value === "dark" ? "light" : "dark";
  try {
    // What the system says anyway need not be kept, and is followed again.
    if (chosen.value === ofSystem.value) localStorage.removeItem(NAME);
    else localStorage.setItem(NAME, chosen.value);
  } catch {
    // A browser that keeps nothing follows the system the next time.
  }
}

system.addEventListener("change", ({ matches }) => {
  ofSystem.value = matches ? "dark" : "light";
  if (!kept()) chosen.value = null;
});
watchEffect(() => document.documentElement.classList.toggle("dark", theme.value === "dark"));

function kept(): Theme | null {
  try {
    const name = localStorage.getItem(NAME);
    return name === "dark" || name === "light" ? name : null;
  } catch {
    return null;
  }
}
