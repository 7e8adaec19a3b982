// The phone page, /m.

import "vant/es/style/base.css";
import "vant/es/button/index.css";
import "vant/es/loading/index.css";
import "vant/es/tag/index.css";
import "./phone.css";
import { createApp } from "vue";
import { fetchMap } from "../lib/map";
import { takeTokenFromAddress } from "../lib/session";
import App from "./App.vue";
import { describePage, i18n } from "./language";
import { startOutbox } from "./outbox";
import { startVisits } from "./visits";

// While the page is drawn the network would have nothing to do.
if (!location.hash || location.hash === "#where") void fetchMap().catch(() => {});
describePage();
takeTokenFromAddress("#work");
createApp(App).use(i18n).mount("#app");
void startOutbox();
void startVisits();

if ("serviceWorker" in navigator && import.meta.env.PROD) {
  addEventListener("load", () => {
    // When there is nothing better to do: what it keeps was mostly loaded already.
    setTimeout(() => {
      if (navigator.onLine) navigator.serviceWorker.register("sw.js").catch(() => {});
    }, 3_000);
  });
}
