// What reports are about, in two levels; kept, so that one can be chosen without a network.

import { shallowRef } from "vue";
import { ask } from "../lib/api";
import { CategoriesDocument, type CategoriesQuery } from "../lib/gql/graphql";
import { kept } from "../lib/kept";

export const categories = shallowRef<CategoriesQuery["reportCategories"]>([]);

const WORD = "categories";

export async function readCategories(): Promise<void> {
  if (categories.value.length === 0) {
    categories.value = (await kept.word<CategoriesQuery["reportCategories"]>(WORD)) ?? [];
  }
  try {
    categories.value = (await ask(CategoriesDocument, {})).reportCategories;
    await kept.putWord(WORD, categories.value);
  } catch {
    // Those that are kept will do.
  }
}

addEventListener("online", () => {
  if (!categories.value.length) void readCategories();
});

/** What a category is called; its code where that is all that is known. */
export function categoryName(code: string): string {
  const all = categories.value.flatMap((each) => [each, ...each.children]);
  return all.find((each) => each.code === code)?.name ?? code;
}
