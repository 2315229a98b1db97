// `npm pack` and `npm publish` run it before and after: `node scripts/manifest.mjs strip` takes out of package.json what is
// for a clone only, `restore` puts it back. npm warns of the script "prepare" in a tarball, which is never run there.
import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const manifest = join(root, "package.json");
const kept = join(root, "build", "package.json");

/** What only `npm install` in a clone reads. */
const OF_A_CLONE = ["scripts", "devDependencies", "overrides"];

if (process.argv[2] === "strip") {
  const content = JSON.parse(readFileSync(manifest, "utf8"));
  // A run that was interrupted has left it without them already.
  if (content.scripts) {
    mkdirSync(dirname(kept), { recursive: true });
    copyFileSync(manifest, kept);
  }
  for (const name of OF_A_CLONE) delete content[name];
  writeFileSync(manifest, `${JSON.stringify(content, null, 2)}\n`);
} else if (existsSync(kept)) {
  renameSync(kept, manifest);
}
