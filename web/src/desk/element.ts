// What we use of Element Plus, each with its own style sheet: one part, loaded with the panels.

import "element-plus/theme-chalk/dark/css-vars.css";
import "element-plus/es/components/checkbox/style/css";
import "element-plus/es/components/config-provider/style/css";
import "element-plus/es/components/date-picker/style/css";
import "element-plus/es/components/radio-button/style/css";
import "element-plus/es/components/radio-group/style/css";
import "element-plus/es/components/slider/style/css";
import "element-plus/es/components/tree/style/css";

export { ElCheckbox } from "element-plus/es/components/checkbox/index";
export { ElConfigProvider } from "element-plus/es/components/config-provider/index";
export { ElDatePicker } from "element-plus/es/components/date-picker/index";
export { ElRadioButton, ElRadioGroup } from "element-plus/es/components/radio/index";
export { ElSlider } from "element-plus/es/components/slider/index";
export { ElTree } from "element-plus/es/components/tree/index";
