// The work that waits for the viewer's office: which list is looked at, its counts and its page. It
// is read anew whenever reports change.

import { computed, ref, watch } from "vue";
import {
  OfficeCountsDocument,
  OfficeReportsDocument,
  type ReportFilter,
  type ReportState,
} from "../../lib/gql/graphql";
import { askAsMe, useAnswer } from "../answers";
import { news } from "../overlays";
import { maySee } from "../session";
import { view } from "../view";

const LISTS = {
  incoming: ["SUBMITTED"],
  sending: ["REGISTERED", "RETURNED"],
  working: ["DISPATCHED", "ACCEPTED", "IN_PROGRESS", "REWORK", "SUSPENDED"],
  checking: ["DONE", "VERIFIED"],
  ended: ["CLOSED", "RATED", "REJECTED", "MERGED"],
} as const satisfies Record<string, readonly ReportState[]>;

export type ListName = keyof typeof LISTS;
export const LIST_NAMES = Object.keys(LISTS) as ListName[];

// They outlive the panel, so that whoever comes back finds the list as it was.
export const list = ref<ListName>("incoming");
/** Whether only the region that is chosen is looked at, and not all that is the viewer's. */
export const isOfRegion = ref(false);
/** What each page comes after, from the second on. */
const turned = ref<string[]>([]);

function filterOf(name: ListName, more: ReportFilter = {}): ReportFilter {
  const region = isOfRegion.value && view.region ? { region: view.region } : {};
  // That they are open is said for the index of those that are.
  return { states: [...LISTS[name]], open: name !== "ended", ...region, ...more };
}

watch([list, isOfRegion, () => view.region], () => (turned.value = []));

/** Reads counts and page from now on. Call it where a component is set up. */
export function useWork() {
  const mayDirect = (): boolean => maySee("DIRECT_REPORTS");
  const counts = useAnswer(
    () =>
      mayDirect()
        ? {
            incoming: filterOf("incoming"),
            sending: filterOf("sending"),
            working: filterOf("working"),
            late: filterOf("working", { overdue: true }),
            checking: filterOf("checking"),
            // What happens elsewhere than where one looks is not heard of: counted with the list.
            list: list.value,
            news: news.value,
          }
        : null,
    async ({ list: _list, news: _news, ...filters }) => await askAsMe(OfficeCountsDocument, filters),
  );
  const page = useAnswer(
    () =>
      mayDirect()
        ? { name: list.value, filter: filterOf(list.value), after: turned.value.at(-1) ?? null, news: news.value }
        : null,
    async ({ name, filter, after }) => {
      const order = name === "ended" ? ("NEWEST" as const) : ("NEXT_DEADLINE" as const);
      return { name, ...(await askAsMe(OfficeReportsDocument, { filter, order, after })).reports };
    },
  );
  /** What the page of the list that is chosen holds; null until that is known. */
  const reports = computed(() => (page.data.value?.name === list.value ? page.data.value.nodes : null));
  // Where all of a later page has gone on, the one before is looked at.
  watch(page.data, (now) => {
    if (now?.nodes.length === 0 && turned.value.length) previous();
  });

  const hasPrevious = computed(() => turned.value.length > 0);
  const hasNext = computed(() => page.data.value?.pageInfo.hasNextPage ?? false);
  function next(): void {
    const end = page.data.value?.pageInfo.endCursor;
    if (end) turned.value = [...turned.value, end];
  }
  function previous(): void {
    turned.value = turned.value.slice(0, -1);
  }
  return { counts, page, reports, hasPrevious, hasNext, next, previous };
}
