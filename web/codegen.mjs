// Writes src/lib/gql from schema.graphql and the documents in src: each operation with the types
// of its variables and of its answer. Beside it go the texts by their SHA-256, for servers that are
// to execute nothing else.
//
//     node codegen.mjs            writes
//     node codegen.mjs --check    complains where what is there is not what would be written

import { mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { preset } from "@graphql-codegen/client-preset";
import { codegen } from "@graphql-codegen/core";
import { buildASTSchema, parse } from "graphql";

const here = dirname(fileURLToPath(import.meta.url));
const schema = parse(readFileSync(join(here, "../schema.graphql"), "utf8"));
const documents = readdirSync(join(here, "src"), { recursive: true })
  .filter((name) => name.endsWith(".graphql"))
  .sort()
  .map((name) => {
    const location = `src/${name}`;
    const rawSDL = readFileSync(join(here, location), "utf8");
    return { location, rawSDL, document: parse(rawSDL) };
  });

const outputs = await preset.buildGeneratesSection({
  baseOutputDir: "src/lib/gql/",
  schema,
  schemaAst: buildASTSchema(schema),
  documents,
  pluginContext: {},
  plugins: [],
  pluginMap: {},
  presetConfig: {
    fragmentMasking: false,
    persistedDocuments: { hashAlgorithm: "sha256" },
  },
  config: {
    documentMode: "string",
    enumsAsTypes: true,
    useTypeImports: true,
    strictScalars: true,
    defaultScalarType: "unknown",
    scalars: {
      Cursor: "string",
      Date: "string",
      DateTime: "string",
      GeoJSON: "import('geojson').Geometry",
      JSON: "unknown",
      UUID: "string",
    },
  },
});

const checking = process.argv.includes("--check");
const wanted = outputs.filter(({ filename }) => /graphql\.ts$|\.json$/.test(filename));
// At the same time, since the one waits for what the other finds.
const texts = await Promise.all(wanted.map((output) => codegen({ ...output, cache: undefined })));
for (const [number, output] of wanted.entries()) {
  const text = texts[number];
  const file = join(here, output.filename);
  if (!checking) {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  } else if (readFileSync(file, "utf8") !== text) {
    console.error(`${output.filename} is not what schema.graphql and src/**/*.graphql give.`);
    console.error("Run `npm run types` in web/ and commit what it writes.");
    process.exitCode = 1;
  }
}
