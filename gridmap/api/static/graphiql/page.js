// Puts GraphiQL on the page, asking the address that the page came from.

const defaultQuery = `# Which grid and which sponsor unit answer for this point.
{
  locate(point: {longitude: 130.287, latitude: 47.36, datum: WGS84}) {
    outcome
    grid { code name }
    sponsor { name }
  }
}
`;

const socket = new URL(window.location.pathname, window.location.href);
socket.protocol = socket.protocol.replace("http", "ws");

const ask = GraphiQL.createFetcher({
  url: window.location.pathname,
  subscriptionUrl: socket.href,
});

// Who is signed in at this server asks as who they are, unless "Headers" say otherwise, which go into
// `connection_init` too. A server of another issuer's people has no sign-in.
const session = import("../sign-in/page/session.js").catch(() => null);

async function bearer() {
  const token = await session.then((known) => known && known.accessToken()).catch(() => null);
  return token ? { authorization: `Bearer ${token}` } : {};
}

ReactDOM.createRoot(document.getElementById("graphiql")).render(
  React.createElement(GraphiQL, {
    defaultQuery,
    fetcher: async (asked, options) =>
      ask(asked, { ...options, headers: { ...(await bearer()), ...options?.headers } }),
  }),
);

async function showWho() {
  const known = await session;
  if (!known) return;
  const { authorization } = await bearer();
  const bar = document.getElementById("who");
  const [said, button] = bar.children;
  said.textContent = authorization ? await nameOf(authorization) : "";
  button.textContent = authorization ? "退出 Sign out" : "登录 Sign in";
  button.onclick = authorization ? () => known.signOut().then(showWho) : known.signIn;
  bar.hidden = false;
}

async function nameOf(authorization) {
  const answer = await fetch(window.location.pathname, {
    method: "POST",
    headers: { "content-type": "application/json", authorization },
    body: JSON.stringify({ query: "{ viewer { role subject } }" }),
  });
  const { role, subject } = (await answer.json()).data.viewer;
  return `${subject} (${role})`;
}

showWho();
