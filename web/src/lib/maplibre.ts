// What we use of MapLibre, with its style sheet: one part, loaded when a map is wanted.

import "maplibre-gl/dist/maplibre-gl.css";

export { Map, Marker, NavigationControl, ScaleControl } from "maplibre-gl";
