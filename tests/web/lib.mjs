// Runs the phone's own lib for tests: reads lines of JSON {pack, points} or {texts}, and writes what
// the phone would answer.

import { createInterface } from "node:readline";
import { coordinatesIn } from "../../web/src/lib/coordinates.ts";
import { changed, locateIn } from "../../web/src/lib/pack.ts";

for await (const line of createInterface({ input: process.stdin })) {
  const { pack, points, texts, change } = JSON.parse(line);
  if (texts) answer(texts.map(coordinatesIn));
  else if (change) answer(changed(pack, change));
  else {
    answer(
      points.map(([longitude, latitude, accuracy]) => {
        const { outcome, grid, candidates } = locateIn(pack, [longitude, latitude], accuracy);
        return [outcome, grid?.code ?? null, candidates.map((each) => each.grid.code)];
      }),
    );
  }
}

function answer(value) {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}
