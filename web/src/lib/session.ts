// Who works here: signed in with the server, or by a token that was pasted or came by a link.
//
// A token that was given is kept in this browser until it is put away. Of a session only is kept that
// there is one; its access token is in memory alone.

import { ref, shallowRef } from "vue";
import { Refused, ask } from "./api";
import { ViewerDocument, type ViewerQuery } from "./gql/graphql";
import { kept } from "./kept";
import { accessToken, endSession, goToSignIn } from "./sign_in";

type Viewer = ViewerQuery["viewer"];

/** How the person came in; null where nobody did. */
export const way = ref<"session" | "token" | null>(null);
export const viewer = shallowRef<Viewer | null>(null);
/** Whether a session was there and is over. */
export const isOver = ref(false);

let given: string | null = null;
let isLeaving = false;
let linked: string | null = null;

/** Takes the token of a link (#token=…) and takes it out of the address and its history, in which
 * `hash` is then. */
export function takeTokenFromAddress(hash: string): void {
  const found = /[#&]token=([\w.-]+)/.exec(location.hash);
  if (!found?.[1]) return;
  linked = found[1];
  history.replaceState(null, "", `${location.pathname}${location.search}${hash}`);
}

/** The token that holds now, for what is asked as the person. Throws Refused. */
export async function myToken(): Promise<string | null> {
  if (way.value !== "session") return given;
  // Who signs out asks for no more.
  const token = isLeaving ? null : await accessToken();
  if (token) return token;
  if (isLeaving || way.value !== "session") throw new Refused("UNAUTHENTICATED", "signed out");
  await forget();
  isOver.value = true;
  throw new Refused("UNAUTHENTICATED", "signed out");
}

/** Lets in who is known: by a link, by the session, or by the token that the phone keeps. */
export function openSession(): Promise<void> {
  opening ??= letInWhoIsKnown().finally(() => (opening = null));
  return opening;
}

let opening: Promise<void> | null = null;

async function letInWhoIsKnown(): Promise<void> {
  const link = linked;
  linked = null;
  if (link) await enter(link);
  else if (way.value) return;
  else if (hasJustSignedIn() || (await kept.word("session"))) await resume();
  else {
    const known = await kept.word<string>("token");
    if (known) await enter(known);
  }
}

// Told once by the page of the sign-in, which may be reached by itself.
function hasJustSignedIn(): boolean {
  try {
    const told = localStorage.getItem("gridmap.signed-in") !== null;
    localStorage.removeItem("gridmap.signed-in");
    return told;
  } catch {
    return false;
  }
}

/** Goes to the page where one signs in, and comes back signed in. Throws Refused. */
export async function signIn(): Promise<void> {
  await kept.putWord("session", true);
  await goToSignIn();
}

/** Throws Refused where the server does not believe the token; without a network it is kept. */
export async function enter(token: string): Promise<void> {
  let who: Viewer | null;
  try {
    who = (await ask(ViewerDocument, {}, token)).viewer;
  } catch (error) {
    if (!(error instanceof Refused && error.isPassing)) {
      await forget();
      throw error;
    }
    who = (await kept.word<Viewer>("viewer")) ?? null;
  }
  given = token;
  await kept.putWords({ session: null, token });
  await letIn("token", who);
}

/** Throws Refused where a session could not be ended; then one is signed in still. */
export async function signOut(): Promise<void> {
  isLeaving = true;
  try {
    if (way.value === "session") await endSession();
    await forget();
  } finally {
    isLeaving = false;
  }
}

// Without a network it is who it was.
async function resume(): Promise<void> {
  const known = (await kept.word<Viewer>("viewer")) ?? null;
  try {
    const token = await accessToken();
    if (token) {
      await kept.putWord("session", true);
      await letIn("session", (await ask(ViewerDocument, {}, token)).viewer);
    } else {
      await forget();
      isOver.value = known !== null;
    }
  } catch (error) {
    if (!(error instanceof Refused && error.isPassing)) throw error;
    if (known) await letIn("session", known);
  }
}

async function letIn(by: "session" | "token", who: Viewer | null): Promise<void> {
  await kept.putWord("viewer", who);
  viewer.value = who;
  isOver.value = false;
  way.value = by;
}

// Nobody is told that it is done before nothing is kept: then many close the page.
async function forget(): Promise<void> {
  await kept.putWords({ token: null, session: null, viewer: null, buildings: null });
  way.value = null;
  viewer.value = null;
  given = null;
  isOver.value = false;
}
