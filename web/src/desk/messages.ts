// All words of the page but those of the boundary editor and of the comparison, Chinese first.

export const zh = {
  title: "网格一张图",
  language: "English",
  skip: "跳到地图",
  skipPanel: "跳到面板",
  close: "关闭",
  loading: "正在读取…",
  panels: { place: "地点", figures: "数据", edit: "编辑", compare: "对比" },
  map: { name: "地图", zoomIn: "放大", zoomOut: "缩小", failed: "这台设备画不出地图，其余照常可用。" },
  theme: { light: "浅色", dark: "深色" },
};

export const en: typeof zh = {
  title: "The map of grids",
  language: "中文",
  skip: "Skip to the map",
  skipPanel: "Skip to the panel",
  close: "Close",
  loading: "Loading…",
  panels: { place: "Place", figures: "Figures", edit: "Edit", compare: "Compare" },
  map: {
    name: "Map",
    zoomIn: "Zoom in",
    zoomOut: "Zoom out",
    failed: "This device cannot draw the map; all else works.",
  },
  theme: { light: "Light", dark: "Dark" },
};
