// The server's own sign-in: its page, and the session that it begins. The code for that is the
// server's too, and is fetched when it is needed; a server of another issuer's people has neither.

import { Refused, base } from "./api";

interface Session {
  accessToken(): Promise<string | null>;
  signIn(): void;
  signOut(): Promise<void>;
}

let loading: Promise<Session> | undefined;
let failures = 0;

/** Whether people sign in at this server; false too where it is not heard. */
export async function hasSignIn(): Promise<boolean> {
  if (!navigator.onLine) return false;
  const answer = await fetch(new URL("sign-in", base), { method: "HEAD" }).catch(() => null);
  return answer?.ok ?? false;
}

/** The access token, renewed when it ends; null where nobody is signed in. Throws Refused. */
export function accessToken(): Promise<string | null> {
  return heard((session) => session.accessToken());
}

/** Leaves for the page of the sign-in, which comes back to where one was. Throws Refused. */
export function goToSignIn(): Promise<void> {
  return heard((session) => session.signIn());
}

/** Ends the session here. Throws Refused; then one is signed in still. */
export function endSession(): Promise<void> {
  return heard((session) => session.signOut());
}

async function heard<Answer>(work: (session: Session) => Answer | Promise<Answer>): Promise<Answer> {
  if (!navigator.onLine) throw new Refused("OFFLINE", "no network");
  try {
    return await work(await loaded());
  } catch (error) {
    throw new Refused("OFFLINE", error instanceof Error ? error.message : String(error));
  }
}

function loaded(): Promise<Session> {
  loading ??= load();
  return loading;
}

async function load(): Promise<Session> {
  const address = new URL("sign-in/page/session.js", base);
  // Some browsers remember of an address that it could not be fetched.
  if (failures) address.search = `${failures}`;
  try {
    return (await import(/* @vite-ignore */ address.href)) as Session;
  } catch (error) {
    failures += 1;
    loading = undefined;
    throw error;
  }
}
