// Copies what GraphiQL's page is made of to a folder, with the licences of all that is in it:
//
//     npm ci --ignore-scripts && npm run copy
//
// GraphiQL 4.1.2 and React 18 are the last that come as plain scripts, which a page can load
// without a bundler. Newer ones need one.

import { copyFileSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const target = process.argv[2];

const files = [
  "graphiql/graphiql.min.css",
  "graphiql/graphiql.min.js",
  "react/umd/react.production.min.js",
  "react-dom/umd/react-dom.production.min.js",
];

for (const file of files) {
  copyFileSync(join(here, "node_modules", file), join(target, basename(file)));
}
writeFileSync(join(target, "LICENSES.txt"), licences());

// GraphiQL's script holds the packages it depends on. Packages with the same text share it.
function licences() {
  const { packages } = JSON.parse(readFileSync(join(here, "package-lock.json"), "utf8"));
  const holders = new Map();
  for (const [path, { version, license }] of Object.entries(packages)) {
    if (path === "") continue;
    const folder = join(here, path);
    const file = readdirSync(folder).find((name) => /^(licen[cs]e|copying)/i.test(name));
    const text = file
      ? readFileSync(join(folder, file), "utf8").replaceAll("\r\n", "\n").trim()
      : `${license} (the package holds no text of it)`;
    const name = `${path.split("node_modules/").at(-1)} ${version}`;
    holders.set(text, [...(holders.get(text) ?? []), name]);
  }
  const parts = [...holders].map(([text, names]) => `${names.sort().join("\n")}\n\n${text}\n`);
  return parts.sort().join(`\n${"-".repeat(80)}\n\n`);
}
