import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, test } from "vitest";
import { expandInputs } from "../../lib/cli/inputs.js";

const folder = mkdtempSync(join(tmpdir(), "clip-blip-inputs-"));
const home = process.cwd();
beforeAll(() => {
  process.chdir(folder);
  mkdirSync("photos/2024/deep", { recursive: true });
  mkdirSync("empty");
  for (const name of ["b.JPG", "a.png", "notes.txt", "2024/c.webp", "2024/deep/d.jpeg", ".hidden.jpg", "odd[1].png"]) {
    writeFileSync(join("photos", name), "");
  }
  writeFileSync("photo.raw", "");
  symlinkSync(join(folder, "photos"), "photos/2024/loop");
});
afterAll(() => {
  process.chdir(home);
  rmSync(folder, { recursive: true, force: true });
});

const local = (...paths: string[]) =>
  paths.map((path) => path.replaceAll("/", process.platform === "win32" ? "\\" : "/"));

describe("inputs of the command line", () => {
  test("a folder stands for the pictures in it and below, in order", async () => {
    rmSync("photos/2024/loop");
    const { paths, missing } = await expandInputs(["photos"]);
    assert.deepEqual(
      paths,
      local("photos/2024/c.webp", "photos/2024/deep/d.jpeg", "photos/a.png", "photos/b.JPG", "photos/odd[1].png"),
    );
    assert.deepEqual(missing, []);
  });

  test("a pattern stands for the pictures that match", async () => {
    assert.deepEqual((await expandInputs(["photos/**/*.{webp,jpeg}"])).paths, [
      "photos/2024/c.webp",
      "photos/2024/deep/d.jpeg",
    ]);
    assert.deepEqual((await expandInputs(["photos/*"])).paths, ["photos/a.png", "photos/b.JPG", "photos/odd[1].png"]);
  });

  test("a file that is named is taken whatever it is called, once, in the order given", async () => {
    const { paths } = await expandInputs(["photo.raw", "photos/odd[1].png", "photos/a.png", "photo.raw", "photos/a*"]);
    assert.deepEqual(paths, ["photo.raw", "photos/odd[1].png", "photos/a.png"]);
  });

  test("a folder that may not be read is not called empty", async (t) => {
    t.skip(process.getuid?.() === 0, "root may read every folder");
    mkdirSync("locked", { mode: 0o000 });
    const { missing } = await expandInputs(["locked"]);
    assert.match(missing[0]!.error.message, /^The folder locked cannot be read \(EACCES\); check its permissions\.$/);
  });

  test("what stands for nothing is an error of that input alone", async () => {
    const { paths, missing } = await expandInputs(["nowhere.jpg", "empty", "*.tiff", "photos/a.png"]);
    assert.deepEqual(paths, ["photos/a.png"]);
    const described = missing.map((line) => ["input" in line && line.input, line.error.code]);
    assert.deepEqual(described, [
      ["nowhere.jpg", "ERR_IMAGE_NOT_FOUND"],
      ["empty", "ERR_IMAGE_NOT_FOUND"],
      ["*.tiff", "ERR_IMAGE_NOT_FOUND"],
    ]);
    assert.match(missing[1]!.error.message, /no pictures/);
  });

  test("a link that leads back up does not go on for ever", async () => {
    symlinkSync(join(folder, "photos"), "photos/2024/loop");
    const { paths } = await expandInputs(["photos"]);
    rmSync("photos/2024/loop");
    assert.equal(paths.length, 5);
  });
});
