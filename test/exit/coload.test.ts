// Native packages that people use beside this one, loaded in every order into one process. `npm test` has sharp, which
// is a dependency; `npm run test:exit` has onnxruntime-node and better-sqlite3, too, from the registry in build/coload.
import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { beforeAll, test } from "vitest";
import { repositoryPath } from "../library/models.js";
import { expectedCaption, runNpm } from "../package/pack.js";

const OTHERS = ["onnxruntime-node", "better-sqlite3"];
const ALL = process.env.CLIP_BLIP_EXIT_RUNS !== undefined;

const folder = repositoryPath("build/coload");
const program = fileURLToPath(new URL("./coload.mjs", import.meta.url));

/** What each package answers when it works. */
const answers: Record<string, unknown> = { sharp: 32 * 32 * 3, "onnxruntime-node": "2,4,6", "better-sqlite3": 42 };

const names = ["clip-blip", "sharp", ...(ALL ? OTHERS : [])];

beforeAll(async () => {
  answers["clip-blip"] = await expectedCaption();
  if (ALL) installOthers();
});

/** Without install scripts: onnxruntime-node would fetch CUDA, better-sqlite3 a binary; that one is compiled in here. */
function installOthers(): void {
  mkdirSync(folder, { recursive: true });
  runNpm(folder, ["install", "--ignore-scripts", "--prefix", folder, ...OTHERS]);
  const sqlite = join(folder, "node_modules", "better-sqlite3");
  if (existsSync(join(sqlite, "build", "Release", "better_sqlite3.node"))) return;
  execFileSync("npx", ["--yes", "node-gyp", "rebuild", "--release"], { cwd: sqlite, stdio: "pipe" });
}

function ordersOf(items: string[]): string[][] {
  if (items.length < 2) return [items];
  return items.flatMap((first) => ordersOf(items.filter((item) => item !== first)).map((rest) => [first, ...rest]));
}

for (const order of ordersOf(names)) {
  test(`${order.join(", ")} in one process`, async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [program, folder, ...order], { timeout: 60_000 });
    assert.deepEqual(JSON.parse(stdout), Object.fromEntries(order.map((name) => [name, answers[name]])));
  });
}
