// Which language was chosen last, on any page of this server; Chinese at first.

export type Language = "zh" | "en";

const NAME = "gridmap-language";

export function chosenLanguage(): Language {
  try {
    return localStorage.getItem(NAME) === "en" ? "en" : "zh";
  } catch {
    return "zh";
  }
}

export function keepLanguage(language: Language): void {
  try {
    localStorage.setItem(NAME, language);
  } catch {
    // A browser that keeps nothing shows Chinese the next time.
  }
}
