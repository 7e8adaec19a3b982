// The planners' map, /.

import "./desk.css";
import { createApp } from "vue";
import { takeTokenFromAddress } from "../lib/session";
import App from "./App.vue";
import { describePage, i18n } from "./language";
import { followAddress } from "./view";

describePage();
takeTokenFromAddress(location.hash.replace(/token=[^&]*&?/, ""));
followAddress();
createApp(App).use(i18n).mount("#app");
