// Adds the words of the office's panel, which come with it and not with the page.

import { i18n } from "../language";
import { enOffice, zhOffice } from "../messages_office";

i18n.global.mergeLocaleMessage("zh", zhOffice);
i18n.global.mergeLocaleMessage("en", enOffice);
