// What the server answers, for parts of the page: asked again when the question changes, and the
// last question's answer is the one that counts.

import { type Ref, type ShallowRef, onScopeDispose, ref, shallowRef, watch } from "vue";
import { Refused, ask } from "../lib/api";
import type { TypedDocumentString } from "../lib/gql/graphql";
import { myToken, way } from "../lib/session";

export interface Answer<Data> {
  /** What was answered last, also while the next is on its way; null after a refusal. */
  data: ShallowRef<Data | null>;
  isBusy: Ref<boolean>;
  refused: ShallowRef<Refused | null>;
  /** Asks the same again. */
  again: () => void;
}

/**
 * What `read` gives for what `question` is, whenever that changes or somebody signs in or out;
 * nothing where it is null. What failed for want of a network is asked again when there is one.
 */
export function useAnswer<Question, Data>(
  question: () => Question | null,
  read: (question: Question) => Promise<Data>,
): Answer<Data> {
  const data = shallowRef<Data | null>(null);
  const isBusy = ref(false);
  const refused = shallowRef<Refused | null>(null);
  const round = ref(0);
  let turn = 0;
  const again = (): void => {
    round.value += 1;
  };
  const atLast = (): void => {
    if (refused.value?.isPassing) again();
  };
  addEventListener("online", atLast);
  const stop = watch(
    () => JSON.stringify([question(), way.value, round.value]),
    async () => {
      const mine = ++turn;
      const asked = question();
      if (asked === null) {
        isBusy.value = false;
        data.value = refused.value = null;
        return;
      }
      isBusy.value = true;
      try {
        const answer = await read(asked);
        if (mine !== turn) return;
        data.value = answer;
        refused.value = null;
      } catch (error) {
        if (mine !== turn) return;
        data.value = null;
        refused.value = asRefusal(error);
      }
      isBusy.value = false;
    },
    { immediate: true },
  );
  onScopeDispose(() => {
    turn += 1;
    stop();
    removeEventListener("online", atLast);
  });
  return { data, isBusy, refused, again };
}

/** Asks as whoever is signed in, or as nobody; `asPublic`: as nobody always. Throws Refused. */
export function askAsMe<Data, Variables extends Record<string, unknown>>(
  document: TypedDocumentString<Data, Variables>,
  variables: Variables,
  asPublic = false,
): Promise<Data> {
  return ask(document, variables, way.value && !asPublic ? myToken : null);
}

interface Page<Node> {
  nodes: Node[];
  pageInfo: { hasNextPage: boolean; endCursor?: string | null };
}

/** All nodes of a list, through all of its pages. Throws Refused. */
export async function allPages<Data, Variables extends Record<string, unknown>, Node>(
  document: TypedDocumentString<Data, Variables>,
  variables: Variables,
  page: (data: Data) => Page<Node>,
): Promise<Node[]> {
  const nodes: Node[] = [];
  let after: string | null = null;
  do {
    const { nodes: more, pageInfo } = page(await askAsMe(document, { ...variables, after }));
    nodes.push(...more);
    after = pageInfo.hasNextPage ? (pageInfo.endCursor ?? null) : null;
  } while (after !== null);
  return nodes;
}

export function asRefusal(error: unknown): Refused {
  if (error instanceof Refused) return error;
  console.error(error);
  return new Refused("BROKEN", String(error));
}
