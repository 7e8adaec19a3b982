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

ReactDOM.createRoot(document.getElementById("graphiql")).render(
  React.createElement(GraphiQL, {
    defaultQuery,
    // What the page's "Headers" say goes into `connection_init` as well.
    fetcher: GraphiQL.createFetcher({
      url: window.location.pathname,
      subscriptionUrl: socket.href,
    }),
  }),
);
