// Asks the server: typed documents by HTTP, what happens by WebSocket. Addresses are relative to
// where the scripts are, in assets/, so that all of it works behind any prefix.

import { type CombinedError, createClient, createRequest, fetchExchange } from "@urql/core";
import type { Client as Socket } from "graphql-ws";
import { ReportChangedDocument, type TypedDocumentString } from "./gql/graphql";

export const base = new URL(/* @vite-ignore */ "../", import.meta.url);

const client = createClient({
  url: new URL("graphql", base).href,
  exchanges: [fetchExchange],
  preferGetMethod: false,
  requestPolicy: "network-only",
});

/**
 * Why an answer did not come. `code` is the server's; OFFLINE where nothing was heard from it.
 * `details`: what the server told programs beside its message; null where the message is not its.
 */
export class Refused extends Error {
  constructor(
    readonly code: string,
    message: string,
    readonly details: Readonly<Record<string, unknown>> | null = null,
  ) {
    super(message);
  }

  /** Whether the same may be answered later. */
  get isPassing(): boolean {
    return this.code === "OFFLINE" || this.code === "UNAVAILABLE";
  }
}

/** Who asks: by a token, or by what gives the one that holds then. */
export type Bearer = string | null | (() => Promise<string | null>);

// Each query has a key of its own. The library's is made of what is asked and not of who asks, and
// whoever signs in while nobody's answer is on its way would be given that.
let lastKey = 0;

/** The data that a query or mutation gives. Throws Refused. */
export async function ask<Data, Variables extends Record<string, unknown>>(
  document: TypedDocumentString<Data, Variables>,
  variables: Variables,
  bearer: Bearer = null,
): Promise<Data> {
  // A browser that says so is right, and would write each attempt into its console.
  if (!navigator.onLine) throw new Refused("OFFLINE", "no network");
  const headers = await presented(bearer);
  const text = document.toString();
  const context = { fetchOptions: { headers, signal: AbortSignal.timeout(20_000) } };
  const asked = /^\s*mutation/.test(text)
    ? client.mutation<Data>(text, variables, context)
    : client.executeQuery<Data>({ ...createRequest(text, variables), key: --lastKey }, context);
  const { data, error } = await asked.toPromise();
  if (error) throw refusal(error);
  return data as Data;
}

/** Where a photo is that the server names by a path of its own. */
export function photoAddress(path: string): string {
  return new URL(`.${path}`, base).href;
}

async function presented(bearer: Bearer): Promise<Record<string, string>> {
  const token = typeof bearer === "function" ? await bearer() : bearer;
  return token ? { authorization: `Bearer ${token}` } : {};
}

/**
 * As `follow`, what happens to a report, or to those of a grid: the report's version, or null where
 * it is no longer theirs to see. `after`: the state that was read of them, so that nothing is lost
 * that came since.
 */
export function followReports(
  of: ({ id: string } | { grid: string }) & { after: string },
  hear: (version: number | null) => void,
  bearer: Bearer = null,
): () => void {
  return follow(ReportChangedDocument, { ...of }, ({ reportChanged }) => hear(reportChanged.report?.version ?? null), bearer);
}

/**
 * Calls back whenever something happens to reports, until the function that it gives is called. A
 * connection that is lost, or ends with its token, is made again when there is a network, and then
 * tells what came between.
 */
export function follow<
  Data extends { reportChanged: { cursor: string } },
  Variables extends Record<string, unknown>,
>(
  document: TypedDocumentString<Data, Variables>,
  of: Variables,
  hear: (said: Data) => void,
  bearer: Bearer = null,
): () => void {
  let stopped = false;
  let socket: Socket | undefined;
  void socketLibrary().then(({ createClient: connect }) => {
    if (stopped) return;
    const address = new URL("graphql", base);
    address.protocol = address.protocol.replace("http", "ws");
    socket = connect({
      url: address.href,
      connectionParams: () => presented(bearer),
      retryAttempts: Infinity,
      shouldRetry: () => !stopped,
      retryWait: untilThereIsANetwork,
    });
    // Sent as it is then, each time that the connection is made again.
    const variables: Record<string, unknown> = { ...of };
    const listen = (): void => {
      socket?.subscribe<Data>(
        { query: document.toString(), variables },
        {
          next: ({ data }) => {
            if (!data) return;
            variables.after = data.reportChanged.cursor;
            hear(data);
          },
          // The library takes the end of a token for the end of all; where there is a next, it is not.
          error: (reason) => {
            const ended = reason instanceof CloseEvent && reason.code === TOKEN_ENDED;
            if (!ended || typeof bearer !== "function") return;
            void untilThereIsANetwork(0).then(() => stopped || listen());
          },
          complete: () => {},
        },
      );
    };
    listen();
  });
  return () => {
    stopped = true;
    void socket?.dispose();
  };
}

const TOKEN_ENDED = 4401;

async function socketLibrary(): Promise<typeof import("graphql-ws")> {
  for (let attempts = 0; ; attempts++) {
    try {
      return await import("graphql-ws");
    } catch {
      await untilThereIsANetwork(attempts);
    }
  }
}

// And a random moment longer, so that not all come back at once.
async function untilThereIsANetwork(attempts: number): Promise<void> {
  if (!navigator.onLine) {
    await new Promise((done) => addEventListener("online", done, { once: true }));
  }
  const pause = Math.min(1_000 * 2 ** attempts, 60_000) * (0.5 + Math.random());
  await new Promise((done) => setTimeout(done, pause));
}

function refusal({ networkError, graphQLErrors, response }: CombinedError): Refused {
  return refusalOf(response?.status, { errors: graphQLErrors }, networkError?.message);
}

/** Why an answer of this HTTP status is none, by its body. */
export function refusalOf(status: number | undefined, body: unknown, message = "no answer"): Refused {
  const [first] = (body as { errors?: Told[] } | null)?.errors ?? [];
  if (first) return new Refused(String(first.extensions?.code ?? "INTERNAL"), first.message, first.extensions ?? {});
  const passing = status === undefined || status >= 500 || status === 429;
  return new Refused(passing ? "OFFLINE" : "INVALID", message);
}

interface Told {
  message: string;
  extensions?: Record<string, unknown>;
}
