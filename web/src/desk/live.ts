// What is new: who may see reports hears of each as it happens; for others it is asked now and then
// whether the map of reports is another one.

import { onScopeDispose, shallowRef, watch } from "vue";
import { base, follow } from "../lib/api";
import { RegionReportsDocument, type RegionReportsSubscription, StateOfReportsDocument } from "../lib/gql/graphql";
import { myToken, viewer } from "../lib/session";
import { askAsMe } from "./answers";
import { news } from "./overlays";
import { maySee } from "./session";
import { view } from "./view";

export interface Notice {
  number: string;
  category: string;
  grid: string | null;
}

/** The last report that came in, or that some have changed; null where there is nothing to say. */
export const notice = shallowRef<Notice | "changed" | null>(null);

const SHOWN_MS = 12_000;
// Many reports at once are one change of the map.
const GATHERED_MS = 500;
const ASKED_MS = 20_000;

/** Listens from now on. Call it once, where a component is set up. */
export function startLive(): void {
  let gathering = 0;
  let hiding = 0;

  function refresh(): void {
    if (gathering) return;
    gathering = window.setTimeout(() => {
      gathering = 0;
      news.value += 1;
    }, GATHERED_MS);
  }

  function hear({ report, event }: RegionReportsSubscription["reportChanged"]): void {
    refresh();
    if (!report || event?.action !== "SUBMIT") return;
    const { number, category, grid } = report;
    show({ number, category: category.name, grid: grid?.name ?? null });
  }

  function show(what: Notice | "changed"): void {
    notice.value = what;
    clearTimeout(hiding);
    hiding = window.setTimeout(() => (notice.value = null), SHOWN_MS);
  }

  function change(): void {
    refresh();
    show("changed");
  }

  let stops: (() => void)[] = [];
  const stop = (): void => stops.splice(0).forEach((each) => each());
  watch(
    () => (maySee("SEE_REPORTS") ? followed().join() : null),
    (codes) => {
      stop();
      if (codes === null) stops = [askNowAndThen(change)];
      else if (codes) {
        stops = codes
          .split(",")
          .map((region) => followFromNow(region, (said) => hear(said.reportChanged)));
      }
    },
    { immediate: true },
  );
  onScopeDispose(stop);
}

// The region that is looked at, and those of an office that lie elsewhere, whose work waits there.
function followed(): string[] {
  const { region } = view;
  if (!region || !maySee("DIRECT_REPORTS")) return region ? [region] : [];
  return [region, ...(viewer.value?.codes ?? []).filter((code) => !code.startsWith(region))];
}

// From the state that there is now: nothing is lost while the connection is made.
function followFromNow(region: string, hear: (said: RegionReportsSubscription) => void): () => void {
  let isOver = false;
  let stop = (): void => {};
  const begin = (after: string | null): void => {
    if (!isOver) stop = follow(RegionReportsDocument, { region, after }, hear, myToken);
  };
  askAsMe(StateOfReportsDocument, {}).then(({ reports }) => begin(reports.asOf), () => begin(null));
  return () => {
    isOver = true;
    stop();
  };
}

// By the tag of the tile that holds all reports there are.
function askNowAndThen(changed: () => void): () => void {
  let known: string | null = null;
  const address = new URL("tiles/report_clusters/0/0/0.mvt", base);
  const ask = async (): Promise<void> => {
    if (document.hidden || !navigator.onLine) return;
    const answer = await fetch(address).catch(() => null);
    const tag = answer?.ok ? answer.headers.get("etag") : null;
    if (known && tag && tag !== known) changed();
    known = tag ?? known;
  };
  void ask();
  const timer = setInterval(() => void ask(), ASKED_MS);
  return () => clearInterval(timer);
}
