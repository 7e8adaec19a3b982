// Who looks at the map. Signed out, all but single reports can be seen.

import { computed, shallowRef, watch } from "vue";
import type { PermissionName } from "../lib/gql/graphql";
import { myToken, viewer, way } from "../lib/session";
import { view } from "./view";

/** What tiles are asked with, which cannot wait for it; null where nobody is signed in. */
export const token = shallowRef<string | null>(null);

/** Whether somebody is signed in who may do this, somewhere at least. */
export function maySee(name: PermissionName): boolean {
  return allowed.value.has(name);
}

const allowed = computed(() => new Map(viewer.value?.permissions.map(({ name, extent }) => [name, extent])));

/** Whether the viewer is told of some reports alone, and a map of them is of these: then it is to be
 * chosen which is shown. */
export const hasOwnMap = computed(
  () => allowed.value.get("SEE_REPORTS") === "OWN" && viewer.value?.role !== "RESIDENT",
);

/** Of which reports a map is: of all, exactly or as the public has it, or of the viewer's own. */
export const mapIsOf = computed<"all" | "public" | "own">(() => {
  if (hasOwnMap.value) return view.whose === "all" ? "public" : "own";
  return allowed.value.get("SEE_REPORTS") === "ALL" ? "all" : "public";
});

/** Whether reports of a region are counted that are not all of them. `path`: the region with those
 * above it, by code. */
export function areSomeAlone(path: readonly string[]): boolean {
  if (allowed.value.get("SEE_REPORTS") !== "OWN") return false;
  const { role = "", codes = [] } = viewer.value ?? {};
  return !OFFICES.includes(role) || !path.some((code) => codes.includes(code));
}

const OFFICES = ["COMMUNITY", "STREET", "DISTRICT"];

async function renew(): Promise<void> {
  token.value = way.value ? await myToken().catch(() => null) : null;
}

watch(way, renew, { immediate: true });
// Long before it ends, which is after a quarter of an hour.
setInterval(() => way.value && void renew(), 60_000);
