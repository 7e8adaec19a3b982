// Which reports are looked at: of a category, received on some days.

import { computed } from "vue";
import type { ReportFilter } from "../lib/gql/graphql";
import { beginning, dayAfter } from "./days";
import { view } from "./view";

/** As chosen below the map, of all regions. */
export const filter = computed<ReportFilter>(() => ({
  ...(view.category && { category: view.category }),
  ...(view.from && { since: beginning(view.from) }),
  ...(view.to && { until: beginning(dayAfter(view.to)) }),
}));

/** The same, of the chosen region and all below it. */
export const regionFilter = computed<ReportFilter>(() => ({ ...filter.value, region: view.region }));

/** As parameters of tiles. */
export const filterParameters = computed<Record<string, string>>(() => ({
  ...(Object.keys(filter.value).length > 0 && { filter: JSON.stringify(filter.value) }),
}));
