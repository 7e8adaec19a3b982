// Loads points into supercluster, asks it for views, and prints what that took as JSON.
//
// node clusters.mjs POINTS VIEWS: POINTS are float64 pairs, VIEWS is JSON [[[w, s, e, n], zoom], …].

import { readFileSync } from "node:fs";
import Supercluster from "supercluster";

const [pointsPath, viewsPath] = process.argv.slice(2);
const bytes = readFileSync(pointsPath);
const pairs = new Float64Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 8);
const views = JSON.parse(readFileSync(viewsPath, "utf8"));

const features = Array.from({ length: pairs.length / 2 }, (_, i) => ({
  type: "Feature",
  properties: {},
  geometry: { type: "Point", coordinates: [pairs[2 * i], pairs[2 * i + 1]] },
}));

function timed(work) {
  const before = process.cpuUsage();
  const result = work();
  const { user, system } = process.cpuUsage(before);
  return [result, (user + system) / 1e6];
}

// Cells of 64 pixels, as ours are; as deep as the map is asked for.
const index = new Supercluster({ radius: 64, extent: 512, maxZoom: 18 });
const [, load] = timed(() => index.load(features));
const ask = ([bounds, zoom]) => timed(() => index.getClusters(bounds, zoom));
views.forEach(ask); // until compiled
const answers = views.map(ask);
console.log(
  JSON.stringify({
    load,
    seconds: answers.map(([, seconds]) => seconds),
    clusters: answers.map(([clusters]) => clusters.length),
  }),
);
