// Builds one folder for all pages: index.html is the planners' map, m/ is the phone page's, assets/
// is everybody's.

import { createHash } from "node:crypto";
import { copyFileSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import vue from "@vitejs/plugin-vue";
import { defineConfig, type Plugin, type Rolldown } from "vite";

const here = fileURLToPath(new URL(".", import.meta.url));
const target = join(here, "../gridmap/api/static/web");

export default defineConfig({
  root: here,
  base: "./",
  plugins: [vue(), documents(), offline("m"), compressed()],
  define: {
    __VUE_OPTIONS_API__: false,
    __VUE_PROD_DEVTOOLS__: false,
    __VUE_I18N_FULL_INSTALL__: false,
    __VUE_I18N_LEGACY_API__: false,
    __INTLIFY_PROD_DEVTOOLS__: false,
    __INTLIFY_DROP_MESSAGE_COMPILER__: false,
  },
  build: {
    outDir: target,
    emptyOutDir: true,
    assetsInlineLimit: 0,
    target: "es2022",
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 1200,
    rolldownOptions: {
      input: { desk: join(here, "index.html"), phone: join(here, "m/index.html") },
      checks: { pluginTimings: false },
    },
  },
});

// What the pages ask, for a server that is to execute nothing else.
function documents(): Plugin {
  return {
    name: "gridmap-documents",
    apply: "build",
    writeBundle() {
      copyFileSync(
        join(here, "src/lib/gql/persisted-documents.json"),
        join(target, "documents.json"),
      );
    },
  };
}

// Writes what the page needs without a network into its service worker. The worker is another one
// whenever any of that is, and browsers then fetch it all anew.
function offline(page: string): Plugin {
  return {
    name: "gridmap-offline",
    apply: "build",
    writeBundle(_, bundle) {
      const folder = join(target, page);
      const files = [
        ...partsOf(`${page}/index.html`, bundle).map((name) => `../${name}`),
        ...readdirSync(join(here, "public", page)).filter((name) => name !== "sw.js"),
      ].sort();
      const hash = createHash("sha256");
      for (const file of [...files, "index.html"]) hash.update(readFileSync(join(folder, file)));
      const written = readFileSync(join(here, "public", page, "sw.js"), "utf8")
        .replace('"VERSION"', JSON.stringify(hash.digest("hex").slice(0, 16)))
        .replace('["FILES"]', JSON.stringify(["./", ...files]));
      writeFileSync(join(folder, "sw.js"), written);
    },
  };
}

// The scripts and styles of a page, with those that it may ask for later.
function partsOf(page: string, bundle: Rolldown.OutputBundle): string[] {
  const found = new Set<string>();
  const follow = (name: string): void => {
    const chunk = bundle[name];
    if (found.has(name) || chunk?.type !== "chunk") return;
    found.add(name);
    chunk.viteMetadata?.importedCss.forEach((style) => found.add(style));
    [...chunk.imports, ...chunk.dynamicImports].forEach(follow);
  };
  for (const chunk of Object.values(bundle)) {
    if (chunk.type === "chunk" && chunk.facadeModuleId?.endsWith(page)) follow(chunk.fileName);
  }
  return [...found];
}

// Puts the compressed bytes beside each file.
function compressed(): Plugin {
  return {
    name: "gridmap-compressed",
    apply: "build",
    closeBundle: {
      sequential: true,
      order: "post",
      handler() {
        for (const name of readdirSync(target, { recursive: true, encoding: "utf8" })) {
          if (!/\.(html|js|css|svg|webmanifest)$/.test(name)) continue;
          const bytes = readFileSync(join(target, name));
          writeFileSync(join(target, `${name}.gz`), gzipSync(bytes, { level: 9 }));
          const quality = { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY };
          writeFileSync(join(target, `${name}.br`), brotliCompressSync(bytes, { params: quality }));
        }
      },
    },
  };
}
