// Who works here: the token of a worker, kept on this phone until it is put away.

import { ref, shallowRef } from "vue";
import { Refused, ask } from "../lib/api";
import { ViewerDocument, type ViewerQuery } from "../lib/gql/graphql";
import { kept } from "../lib/kept";

export const token = ref<string | null>(null);
export const viewer = shallowRef<ViewerQuery["viewer"] | null>(null);

const WORD = "token";
let given: string | null = null;

/** Takes the token of a link (#token=…) and takes it out of the address and its history. */
export function takeTokenFromAddress(): void {
  const found = /[#&]token=([\w.-]+)/.exec(location.hash);
  if (!found?.[1]) return;
  given = found[1];
  history.replaceState(null, "", `${location.pathname}${location.search}#work`);
}

/** Who is signed in, by what the phone keeps or a link gave. */
export async function openSession(): Promise<void> {
  const known = given ?? (await kept.word<string>(WORD)) ?? null;
  given = null;
  if (known && known !== token.value) await signIn(known);
}

/** Throws Refused where the server does not believe the token; without a network it is kept. */
export async function signIn(written: string): Promise<void> {
  try {
    viewer.value = (await ask(ViewerDocument, {}, written)).viewer;
    await kept.putWord("viewer", viewer.value);
  } catch (error) {
    if (!(error instanceof Refused && error.isPassing)) {
      await signOut();
      throw error;
    }
    viewer.value = (await kept.word<ViewerQuery["viewer"]>("viewer")) ?? null;
  }
  token.value = written;
  await kept.putWord(WORD, written);
}

export async function signOut(): Promise<void> {
  token.value = null;
  viewer.value = null;
  await kept.putWord(WORD, null);
  await kept.putWord("viewer", null);
}
