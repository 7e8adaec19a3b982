// Runs the editor's own modules for tests: reads a line of JSON, what grids there are and what is
// done to them, and writes the sheet after each step, or what was wrong with it.

import { createInterface } from "node:readline";
import { withDrawn, withGround } from "../../web/src/desk/outlines/clipping.ts";
import { begun, learned, redone, undone, went } from "../../web/src/desk/outlines/history.ts";
import { outlinesIn, written } from "../../web/src/desk/outlines/pasted.ts";
import { crossingOf, geometryOf, outlineOf } from "../../web/src/desk/outlines/shapes.ts";
import * as sheets from "../../web/src/desk/outlines/sheet.ts";
import { inChinese } from "../../web/src/desk/reasons.ts";
import { said } from "../../web/src/desk/outlines/telling.ts";
import { snapped } from "../../web/src/desk/outlines/snapping.ts";

const deeds = {
  move: (sheet, { from, to, along }) => sheets.moved(sheet, from, to, along),
  insert: (sheet, { a, b, place }) => sheets.inserted(sheet, a, b, place),
  remove: (sheet, { place }) => sheets.removed(sheet, place),
  split: (sheet, { code, line, name }) => sheets.split(sheet, code, line, name),
  merge: (sheet, { code, others }) => sheets.merged(sheet, code, others),
  end: (sheet, { code }) => sheets.ended(sheet, code),
  swap: (sheet, { one, other }) => sheets.swapped(sheet, one, other),
  draw: (sheet, { code, name, outline, giveWay }) =>
    withDrawn(sheet, [{ code, name, outline: outlineOf(outline) }], giveWay).sheet,
  give: (sheet, { code, piece }) => withGround(sheet, code, outlineOf(piece)),
};

for await (const line of createInterface({ input: process.stdin })) {
  const asked = JSON.parse(line);
  if (asked.text !== undefined) say(attempt(() => outlinesIn(asked.text).map(shown)));
  else if (asked.warned) say(asked.warned.map((each) => said(each, "zh", (code) => `<${code}>`)));
  else if (asked.reasons) say(asked.reasons.map((each) => inChinese(each, (code) => `<${code}>`)));
  else if (asked.crossings) say(asked.crossings.map((each) => crossingOf(outlineOf(each))));
  else say(play(asked));
}

function play({ grids, steps }) {
  const standing = grids.map(({ code, name, outline, isFixed }) =>
    sheets.standing(code, name ?? code, outlineOf(outline), isFixed),
  );
  let history = begun(sheets.withGrids([], standing));
  const states = [{ sheet: all(history.now) }];
  for (const { deed, ...how } of steps) {
    if (deed === "undo") history = undone(history);
    else if (deed === "redo") history = redone(history);
    else if (deed === "snap") {
      states.push(snapped(history.now, how.place, how.reach, how.held));
      continue;
    } else if (deed === "renew") {
      // As when the grids are read anew, for another day or because somebody changed them.
      history = learned(history, (state) => sheets.onGrids(state, standing));
    } else if (deed === "beside") {
      states.push(sheets.beside(history.now, how.code).map(({ code }) => code));
      continue;
    } else if (deed === "write") {
      states.push(written(history.now));
      continue;
    } else {
      const done = attempt(() => deeds[deed](history.now, how));
      if (done.problem) {
        states.push(done);
        continue;
      }
      history = went(history, done);
    }
    states.push({ sheet: all(history.now), changed: sheets.changedGrids(history.now).map(({ code }) => code) });
  }
  return states;
}

function all(sheet) {
  return sheet.map(({ code, outline, together }) => ({
    code,
    together,
    outline: outline && geometryOf(outline),
  }));
}

function shown({ code, name, outline }) {
  return { code, name, outline: geometryOf(outline) };
}

function attempt(work) {
  try {
    return work();
  } catch (error) {
    if (!("code" in error)) throw error;
    return { problem: error.code, place: error.place, values: error.values };
  }
}

function say(value) {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}
