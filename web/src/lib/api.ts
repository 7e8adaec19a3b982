// Asks the server: typed documents by HTTP, what happens by WebSocket. Addresses are relative to
// the page's folder, so that all of it works behind any prefix.

import { type CombinedError, createClient, fetchExchange } from "@urql/core";
import type { Client as Socket } from "graphql-ws";
import type { TypedDocumentString } from "./gql/graphql";

export const base = new URL("../", document.baseURI);

const client = createClient({
  url: new URL("graphql", base).href,
  exchanges: [fetchExchange],
  preferGetMethod: false,
  requestPolicy: "network-only",
});

/** Why an answer did not come. `code` is the server's; OFFLINE where nothing was heard from it. */
export class Refused extends Error {
  constructor(
    readonly code: string,
    message: string,
  ) {
    super(message);
  }

  /** Whether the same may be answered later. */
  get isPassing(): boolean {
    return this.code === "OFFLINE" || this.code === "UNAVAILABLE";
  }
}

/** The data that a query or mutation gives. Throws Refused. */
export async function ask<Data, Variables extends Record<string, unknown>>(
  document: TypedDocumentString<Data, Variables>,
  variables: Variables,
  token?: string | null,
): Promise<Data> {
  // A browser that says so is right, and would write each attempt into its console.
  if (!navigator.onLine) throw new Refused("OFFLINE", "no network");
  const text = document.toString();
  const context = { fetchOptions: { headers: bearer(token), signal: AbortSignal.timeout(20_000) } };
  const asked = /^\s*mutation/.test(text)
    ? client.mutation<Data>(text, variables, context)
    : client.query<Data>(text, variables, context);
  const { data, error } = await asked.toPromise();
  if (error) throw refusal(error);
  return data as Data;
}

/** Where a photo is that the server names by a path of its own. */
export function photoAddress(path: string): string {
  return new URL(`.${path}`, base).href;
}

export function bearer(token?: string | null): Record<string, string> {
  return token ? { authorization: `Bearer ${token}` } : {};
}

/**
 * Calls back whenever the subscription tells something, until the function that it gives is called.
 * A lost connection is made again; what came between is asked for by `variables(cursor)`.
 */
export function listen<Data, Variables extends Record<string, unknown>>(
  document: TypedDocumentString<Data, Variables>,
  variables: Variables,
  hear: (data: Data) => void,
  token?: string | null,
): () => void {
  let stopped = false;
  let stop = () => {};
  let socket: Socket | undefined;
  void import("graphql-ws").then(({ createClient: connect }) => {
    if (stopped) return;
    const address = new URL("graphql", base);
    address.protocol = address.protocol.replace("http", "ws");
    socket = connect({
      url: address.href,
      connectionParams: bearer(token),
      retryAttempts: Infinity,
      shouldRetry: () => navigator.onLine,
    });
    stop = socket.subscribe<Data>(
      { query: document.toString(), variables },
      {
        next: ({ data }) => data && hear(data),
        error: () => {},
        complete: () => {},
      },
    );
  });
  return () => {
    stopped = true;
    stop();
    void socket?.dispose();
  };
}

function refusal({ networkError, graphQLErrors, response }: CombinedError): Refused {
  const [first] = graphQLErrors;
  if (first) return new Refused(String(first.extensions.code ?? "INTERNAL"), first.message);
  const status: number | undefined = response?.status;
  const passing = status === undefined || status >= 500 || status === 429;
  return new Refused(passing ? "OFFLINE" : "INVALID", networkError?.message ?? "no answer");
}
