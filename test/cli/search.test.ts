import assert from "node:assert/strict";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, test } from "vitest";
import { jsonLines, PICTURES, run } from "./support.js";

let scratch: string;
let folder: string;
beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), "clip-blip-search-"));
  folder = join(scratch, "photos");
  cpSync(PICTURES, folder, { recursive: true });
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const captions: Record<string, string> = JSON.parse(readFileSync(join(PICTURES, "captions.json"), "utf8"));

describe("search", () => {
  test("finds pictures by what is on them, in an index beside the folder", async () => {
    const [name, caption] = Object.entries(captions)[0]!;
    const { code, out, err } = await run(["search", folder, caption, "--top", "3"]);
    assert.deepEqual([code, err], [0, ""]);
    const lines = out.trim().split("\n");
    assert.equal(lines.length, 3);
    for (const line of lines) assert.match(line, /^\d\.\d{4} {2}\S/);
    assert.ok(
      lines.some((line) => line.endsWith(join(folder, name))),
      out,
    );
    assert.deepEqual(readdirSync(scratch).sort(), ["photos", "photos.clip-blip"]);
  });

  test("finds what looks like a picture, and near-duplicates", async () => {
    const [name] = Object.keys(captions);
    const picture = join(folder, name!);
    const alike = await run(["search", folder, "--image", picture, "--json", "--top", "1"]);
    const [best] = jsonLines(alike.out);
    assert.equal(best!.input, picture);
    assert.ok((best!.score as number) > 0.999);
    cpSync(picture, join(folder, `copy-${name}`));
    const { code, out } = await run(["search", folder, "--duplicates", "0.9999", "--json"]);
    assert.equal(code, 0);
    assert.deepEqual(
      jsonLines(out).map(({ inputs }) => (inputs as string[]).toSorted()),
      [[join(folder, `copy-${name}`), picture].sort()],
    );
  });

  test("lists what cannot be read, and fails only in the run that tries it", async () => {
    const broken = join(folder, "broken.jpg");
    writeFileSync(broken, "no picture");
    for (const expected of [1, 0, 0]) {
      const { code, out, err } = await run(["search", folder, "a circle", "--top", "1"]);
      assert.equal(code, expected);
      assert.equal(out.split("\n").length, 2);
      const sentence = "The file is not a picture in a supported format: JPEG, PNG, WebP, GIF, TIFF, AVIF or BMP.";
      assert.equal(err, `clip-blip: 1 of the pictures cannot be read:\n  ${broken}: ${sentence}\n`);
    }
    writeFileSync(broken, "still no picture");
    assert.equal((await run(["search", folder, "a circle", "--top", "1"])).code, 1);
    assert.deepEqual((await run(["search", folder, "a circle", "--top", "1", "--no-update"])).code, 0);
    rmSync(broken);
    const mended = await run(["search", folder, "a circle", "--top", "1"]);
    assert.deepEqual([mended.code, mended.err], [0, ""]);
  });

  test("takes a model in a folder of another", async () => {
    const models = fileURLToPath(new URL("../../models", import.meta.url));
    const index = join(scratch, "of-a-folder");
    const search = ["search", folder, "a circle", "--top", "1", "--model", models, "--index", index];
    const { out, err } = await run([...search, "--subfolder", "demo-clip"]);
    assert.match(out, /^\d\.\d{4} {2}\S+\n$/, err);
  });

  test("says what is wrong with a folder", async () => {
    const { code, err } = await run(["search", join(scratch, "nowhere"), "a circle"]);
    assert.equal(code, 2);
    assert.match(err, /^clip-blip: There is no folder \S+nowhere: check the path\n$/);
    const empty = join(scratch, "empty");
    mkdirSync(empty);
    const nothing = await run(["search", empty, "a circle"]);
    assert.deepEqual([nothing.code, nothing.out], [1, ""]);
    assert.match(nothing.err, /^clip-blip: There are no pictures in \S+empty\.\n$/);
  });
});
