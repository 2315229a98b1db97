// Jest and Vitest's vm pools run what they import in a vm context. It has classes of its own of what the language defines,
// and in Node 20 no Symbol.asyncDispose.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "vitest";
import { repositoryPath } from "./models.js";

const here = (name: string) => repositoryPath(`test/library/${name}`);

function run(...parameters: string[]): unknown {
  return JSON.parse(execFileSync(process.execPath, parameters, { cwd: repositoryPath("."), encoding: "utf8" }));
}

/** The files of a folder, with their text. */
const texts = (folder: string, pattern: RegExp) =>
  readdirSync(repositoryPath(folder), { recursive: true, encoding: "utf8" })
    .filter((name) => pattern.test(name))
    .map((name) => [name, readFileSync(join(repositoryPath(folder), name), "utf8")] as const);

describe("in a vm context", () => {
  it("everything works, and fails with the same words, as outside of one", () => {
    const inside = run("--no-warnings", "--experimental-vm-modules", here("vm-context.mjs"), here("vm-program.mjs"));
    assert.deepEqual(inside, run(here("vm-program.mjs")));
  });

  it("nothing needs a symbol that is not there, which `await using` does", () => {
    const files = texts("dist", /\.c?js$/);
    const needing = files.filter(([, text]) => /__addDisposableResource|Symbol\.(asyncD|d)ispose/.test(text));
    assert.deepEqual(
      needing.map(([name]) => name),
      ["common/dispose.js"],
    );
  });

  it("nothing asks for a class of the language, where values of another realm can come", () => {
    // The page runs in browsers.
    const files = texts("lib", /\.c?ts$/).filter(([name]) => !name.startsWith("server/page/"));
    const classes = /instanceof (\w*Error|Promise|Date|Map|Set|RegExp|Function|Object|DataView|\w*Array(Buffer)?)\b/g;
    const asking = files.flatMap(([name, text]) => [...text.matchAll(classes)].map(([found]) => `${name}: ${found}`));
    const own = /instanceof (ClipBlip|Fetch|Service|Usage|Unfinished|Commander)Error$/;
    assert.deepEqual(
      asking.filter((one) => !own.test(one)),
      [],
    );
  });
});
