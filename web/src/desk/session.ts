// Who looks at the map. Signed out, all but single reports can be seen.

import { computed, shallowRef, watch } from "vue";
import type { PermissionName } from "../lib/gql/graphql";
import { myToken, viewer, way } from "../lib/session";

/** What tiles are asked with, which cannot wait for it; null where nobody is signed in. */
export const token = shallowRef<string | null>(null);

/** Whether somebody is signed in who may do this, somewhere at least. */
export function maySee(name: PermissionName): boolean {
  return allowed.value.has(name);
}

const allowed = computed(() => new Set(viewer.value?.permissions.map(({ name }) => name)));

async function renew(): Promise<void> {
  token.value = way.value ? await myToken().catch(() => null) : null;
}

watch(way, renew, { immediate: true });
// Long before it ends, which is after a quarter of an hour.
setInterval(() => way.value && void renew(), 60_000);
