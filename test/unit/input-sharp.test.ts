import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "vitest";
import { expectedPictures, picturePath } from "../fixtures/pictures.js";

/** Runs a module in a process of its own, since the settings of sharp hold for a whole process. */
function run(script: string): string {
  const args = ["--import", "tsx", "--input-type=module", "--eval", script];
  return execFileSync(process.execPath, args, { cwd: new URL("../..", import.meta.url), encoding: "utf8" }).trim();
}

test("decoding leaves the settings of sharp alone, tuneSharp sets them", () => {
  const paths = Object.keys(expectedPictures).map(picturePath);
  const output = run(`
    import sharp from "sharp";
    import { decodeImage } from "./lib/input/decode.ts";
    import { tuneSharp } from "./lib/input/sharp.ts";
    const settings = () => JSON.stringify([sharp.concurrency(), sharp.cache().items.max]);
    const before = settings();
    await decodeImage(${JSON.stringify(paths[0])});
    if (settings() !== before) throw new Error("changed to " + settings());
    await tuneSharp();
    if (settings() !== "[1,0]") throw new Error("tuned to " + settings());
    for (const path of ${JSON.stringify(paths)}) await decodeImage(path);
    await decodeImage({ data: new Uint8Array(4), width: 1, height: 1, channels: 4 });
    const svg = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>');
    console.log(await sharp(svg).png().toBuffer().then(() => "rendered", () => "blocked"));
  `);
  assert.equal(output, "blocked");
});

test("sharp is loaded with the first picture, not before", () => {
  const output = run(`
    import { createRequire } from "node:module";
    await import("./lib/input/decode.ts");
    const loaded = () => process.report.getReport().sharedObjects.some((path) => /sharp/.test(path));
    console.log(loaded());
    await (await import("./lib/input/decode.ts")).decodeImage(${JSON.stringify(picturePath("gif.gif"))});
    console.log(loaded());
  `);
  assert.equal(output, "false\ntrue");
});
