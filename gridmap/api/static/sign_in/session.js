// Who is signed in on this page: the access token, got when it is needed and renewed before it ends.
// It is kept in memory alone; what brings the next is in a cookie that no script reads.

const at = (path) => new URL(`../../${path}`, import.meta.url);
const EARLY_MILLISECONDS = 30_000;

let token = null;
let endsAt = 0;
let asking = null;

/** The access token; null where nobody is signed in. Throws where the server cannot be reached. */
export function accessToken() {
  if (token && Date.now() < endsAt - EARLY_MILLISECONDS) return Promise.resolve(token);
  asking ??= inTurn(renew).finally(() => (asking = null));
  return asking;
}

/** Goes to the sign-in, which comes back to this page. */
export function signIn() {
  const page = at("sign-in");
  page.searchParams.set("next", location.pathname + location.search + location.hash);
  location.assign(page);
}

/** Signs out here. Ask for no more with the token that one had. */
export async function signOut() {
  await inTurn(() => post("sign-out"));
  token = null;
}

// Refresh tokens are used once: the tabs of a browser, which share the cookie, take turns.
function inTurn(work) {
  return navigator.locks ? navigator.locks.request("gridmap session", work) : work();
}

async function renew() {
  const answer = await post("sign-in/refresh");
  if (answer.status === 401 || answer.status === 403 || answer.status === 404) {
    token = null;
    return null;
  }
  if (!answer.ok) throw new Error(`The session cannot be renewed: ${answer.status}`);
  const said = await answer.json();
  token = said.accessToken;
  endsAt = Date.now() + said.expiresIn * 1000;
  return token;
}

function post(path) {
  return fetch(at(path), {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: "{}",
  });
}
