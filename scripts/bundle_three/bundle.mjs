// Writes three.min.js and its licence into the package, once for each version of three.js:
//
//   cd scripts/bundle_three && npm ci && npm run bundle
//
// The bundle is a classic script that sets the global THREE, because a page that is opened from
// the disk may not import modules.
import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const assets = "../../src/glance3d/exporters/page/assets";
const licence = await readFile(here("node_modules/three/LICENSE"), "utf8");
const { version } = JSON.parse(await readFile(here("node_modules/three/package.json"), "utf8"));

await build({
  entryPoints: [here("parts.js")],
  outfile: here(`${assets}/three.min.js`),
  bundle: true,
  minify: true,
  format: "iife",
  globalName: "THREE",
  target: ["chrome100", "firefox100", "safari15"],
  legalComments: "none",
  banner: { js: `/* three.js ${version}\n\n${licence.trim()} */` },
});
await writeFile(here(`${assets}/three.LICENSE.txt`), licence);
