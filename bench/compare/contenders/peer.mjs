import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { peersFolder } from "../peers.mjs";

/** A package that was installed for the comparison. */
export function importPeer(name) {
  const require = createRequire(join(peersFolder(), "package.json"));
  return import(pathToFileURL(require.resolve(name)).href);
}
