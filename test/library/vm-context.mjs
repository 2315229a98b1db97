// Runs dist/ in a vm context, as test runners do: the context has the Web's globals from outside, and its own Error,
// Promise and typed arrays. What comes from Node and from other packages is of the outer realm.
// `node --experimental-vm-modules vm-context.mjs <program>`: the path of an ES module.
import { readFile } from "node:fs/promises";
import { dirname } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import vm from "node:vm";

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const dist = pathToFileURL(`${root}/dist/`).href;
const context = vm.createContext();
const own = new Set(vm.runInContext("Object.getOwnPropertyNames(globalThis)", context));
for (const name of Object.getOwnPropertyNames(globalThis)) if (!own.has(name)) context[name] = globalThis[name];
// That of a context prints nothing.
context.console = console;

/** By URL: a module exists once in a context. */
const modules = new Map();

function load(url) {
  if (!modules.has(url)) modules.set(url, url.startsWith(dist) ? ours(url) : outside(url));
  return modules.get(url);
}

async function ours(url) {
  return new vm.SourceTextModule(await readFile(fileURLToPath(url), "utf8"), {
    context,
    identifier: url,
    initializeImportMeta: (meta) => Object.assign(meta, { url }),
    importModuleDynamically: async (specifier) => ready(await load(resolve(specifier, url))),
  });
}

async function outside(url) {
  const found = await import(url);
  return new vm.SyntheticModule(
    Object.keys(found),
    function () {
      for (const name of Object.keys(found)) this.setExport(name, found[name]);
    },
    { context, identifier: url },
  );
}

function resolve(specifier, from) {
  return specifier.startsWith(".") ? new URL(specifier, from).href : import.meta.resolve(specifier);
}

async function ready(module) {
  if (module.status === "unlinked")
    await module.link((specifier, { identifier }) => load(resolve(specifier, identifier)));
  if (module.status === "linked") await module.evaluate();
  return module;
}

await ready(await ours(pathToFileURL(process.argv[2]).href));
