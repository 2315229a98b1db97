import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { afterEach, beforeEach, describe, test } from "vitest";
import { ClipBlipError } from "../../lib/common/errors.js";
import { ImageIndex, type UpdateResult } from "../../lib/search/index.js";
import { standIn } from "./support.js";

let scratch: string;
let folder: string;
beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), "clip-blip-index-"));
  folder = join(scratch, "photos");
  mkdirSync(join(folder, "below"), { recursive: true });
});
afterEach(() => rmSync(scratch, { recursive: true, force: true }));

/** Writes files that say what is on them. */
function put(files: Record<string, string>): void {
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
}

const counts = ({ failed, ...rest }: UpdateResult) => ({ ...rest, failed: failed.map(({ path }) => path) });
const nothing = { added: 0, updated: 0, moved: 0, removed: 0, unchanged: 0, failed: [] as string[] };
const named = (paths: string[]) => paths.map((path) => relative(folder, path));

describe("an index of pictures", () => {
  test("finds by words and by a picture, best first", async () => {
    put({ "cat.jpg": "cat", "below/dog.png": "dog", "car 'n' \"bus\".webp": "car", "notes.txt": "cat" });
    await using index = await ImageIndex.open(folder, { model: standIn() });
    assert.deepEqual(counts(await index.update()), { ...nothing, added: 3 });
    assert.equal(await index.count(), 3);
    const found = await index.searchText("dog", { top: 2 });
    assert.equal(found[0]!.path, join(folder, "below", "dog.png"));
    assert.ok(Math.abs(found[0]!.score - 1) < 1e-6 && found[1]!.score < found[0]!.score);
    assert.equal(found.length, 2);
    const alike = await index.searchImage(join(folder, "car 'n' \"bus\".webp"));
    assert.deepEqual(named(alike.map(({ path }) => path))[0], "car 'n' \"bus\".webp");
    assert.equal(alike.length, 3);
    assert.deepEqual(await index.searchText("dog", { exact: true, top: 2 }), found);
  });

  test("embeds only what is new or has another content", async () => {
    put({ "a.jpg": "one", "b.jpg": "two", "c.jpg": "three" });
    const model = standIn();
    await using index = await ImageIndex.open(folder, { model });
    await index.update();
    model.embedded.length = 0;
    assert.deepEqual(counts(await index.update()), { ...nothing, unchanged: 3 });
    // Another time, the same content.
    utimesSync(join(folder, "a.jpg"), 1, 1);
    put({ "b.jpg": "a second", "d.jpg": "four" });
    assert.deepEqual(counts(await index.update()), { ...nothing, added: 1, updated: 1, unchanged: 2 });
    assert.deepEqual(named(model.embedded), ["b.jpg", "d.jpg"]);
    assert.equal((await index.searchText("a second"))[0]!.path, join(folder, "b.jpg"));
    assert.ok((await index.searchText("two"))[0]!.score < 0.99);
    model.embedded.length = 0;
    assert.deepEqual(counts(await index.update()), { ...nothing, unchanged: 4 });
    assert.deepEqual(model.embedded, []);
  });

  test("follows files that move, and forgets those that are gone", async () => {
    put({ "a.jpg": "one", "b.jpg": "two", "c.jpg": "three" });
    const model = standIn();
    await using index = await ImageIndex.open(folder, { model });
    await index.update();
    model.embedded.length = 0;
    renameSync(join(folder, "a.jpg"), join(folder, "below", "z.jpg"));
    rmSync(join(folder, "b.jpg"));
    put({ "copy of c.jpg": "three" });
    assert.deepEqual(counts(await index.update()), { ...nothing, added: 1, moved: 1, removed: 1, unchanged: 1 });
    assert.deepEqual(model.embedded, []);
    assert.equal((await index.searchText("one"))[0]!.path, join(folder, "below", "z.jpg"));
    assert.equal(await index.count(), 3);
  });

  test("keeps apart what files say when they are exchanged, or renamed over each other", async () => {
    put({ "a.jpg": "one", "b.jpg": "two", "c.jpg": "three" });
    await using index = await ImageIndex.open(folder, { model: standIn() });
    await index.update();
    put({ "a.jpg": "two ", "b.jpg": "one" });
    renameSync(join(folder, "a.jpg"), join(folder, "d.jpg"));
    put({ "a.jpg": "two", "c.jpg": "a fourth", "e.jpg": "three" });
    assert.equal((await index.update()).failed.length, 0);
    for (const [text, name] of Object.entries({ one: "b.jpg", two: "a.jpg", three: "e.jpg", "a fourth": "c.jpg" })) {
      const [best] = await index.searchText(text);
      assert.deepEqual([named([best!.path]), best!.score > 0.999], [[name], true], text);
    }
    assert.equal(await index.count(), 5);
  });

  test("embeds one of many copies, and gives them all its error where it is broken", async () => {
    const copies = Array.from({ length: 700 }, (_, index) => [`${index}.jpg`, "the same"]);
    put({ ...Object.fromEntries(copies), "x.jpg": "broken", "y.jpg": "broken" });
    const model = standIn();
    await using index = await ImageIndex.open(folder, { model });
    const result = await index.update();
    assert.deepEqual(counts(result), { ...nothing, added: 700, failed: ["x.jpg", "y.jpg"] });
    assert.deepEqual([model.embedded.length, await index.count()], [1, 700]);
  });

  test("remembers what cannot be read until it changes", async () => {
    put({ "good.jpg": "one", "bad.jpg": "broken", "big.jpg": "huge" });
    const tried: string[] = [];
    const model = standIn({ onPicture: (path) => tried.push(...named([path])) });
    await using index = await ImageIndex.open(folder, { model });
    const first = await index.update();
    assert.deepEqual(first.failed.map(({ path, error }) => [path, error.code]).sort(), [
      ["bad.jpg", "ERR_IMAGE_DECODE"],
      ["big.jpg", "ERR_OUT_OF_MEMORY"],
    ]);
    tried.length = 0;
    // What failed for want of memory may go well another time.
    const second = await index.update();
    assert.deepEqual(tried, ["big.jpg"]);
    assert.deepEqual(
      second.failed.map(({ path, error }) => [path, error.code, error.message === first.failed[0]!.error.message]),
      [
        ["bad.jpg", "ERR_IMAGE_DECODE", true],
        ["big.jpg", "ERR_OUT_OF_MEMORY", false],
      ],
    );
    put({ "bad.jpg": "mended", "big.jpg": "small", "good.jpg": "broken now" });
    assert.deepEqual(counts(await index.update()), { ...nothing, added: 2, failed: ["good.jpg"] });
    assert.equal(await index.count(), 2);
    rmSync(join(folder, "good.jpg"));
    assert.deepEqual(counts(await index.update()), { ...nothing, unchanged: 2 });
  });

  test("adds and removes single files", async () => {
    put({ "a.jpg": "one", "below/b.jpg": "two", "c.odd": "three" });
    await using index = await ImageIndex.open(folder, { model: standIn() });
    assert.equal((await index.add(["a.jpg", join(folder, "below", "b.jpg"), "c.odd"])).added, 3);
    assert.equal((await index.add(["a.jpg"])).unchanged, 1);
    assert.equal(await index.remove([join(folder, "a.jpg"), "below/b.jpg", "nowhere.jpg", "a.jpg"]), 2);
    assert.equal(await index.count(), 1);
    for (const path of ["nowhere.jpg", "../photos.jpg", scratch, folder, "", 7 as unknown as string]) {
      await assert.rejects(index.add(["c.odd", path]), { code: "ERR_INVALID_ARGUMENT", index: 1 });
    }
  });

  test("tells near-duplicates, each pair once", async () => {
    put({ "a.jpg": "cat", "b.jpg": "cat ~1", "c.jpg": "cat ~2", "d.jpg": "dog", "e.jpg": "dog", "f.jpg": "car" });
    await using index = await ImageIndex.open(folder, { model: standIn() });
    await index.update();
    const pairs = async (threshold?: number) => {
      const found: string[] = [];
      for await (const { paths, score } of index.duplicates({ threshold })) {
        assert.ok(score >= (threshold ?? 0.97) - 1e-5 && score <= 1);
        found.push(named(paths).sort().join("-"));
      }
      return found.sort();
    };
    assert.deepEqual(await pairs(), ["a.jpg-b.jpg", "a.jpg-c.jpg", "b.jpg-c.jpg", "d.jpg-e.jpg"]);
    assert.deepEqual(await pairs(1), ["d.jpg-e.jpg"]);
    assert.deepEqual((await pairs(0.001)).length, new Set(await pairs(0.001)).size);
    const progress: number[] = [];
    const seen = index.duplicates({ onProgress: ({ completed, total }) => progress.push(completed / total) });
    for await (const _ of seen);
    assert.equal(progress.at(-1), 1);
    await assert.rejects(async () => {
      for await (const _ of index.duplicates({ signal: AbortSignal.abort(new Error("enough")) }));
    }, /enough/);
  });

  test("refuses another model or another dimension, and begins anew when told to", async () => {
    put({ "a.jpg": "one", "bad.jpg": "broken" });
    const path = join(scratch, "index");
    const first = await ImageIndex.open(folder, { model: standIn(), modelName: "mine", path });
    await first.update();
    await first.close();
    for (const behaviour of [{ seed: "other" }, { dimension: 8 }]) {
      const dimension = behaviour.dimension ?? 16;
      await assert.rejects(ImageIndex.open(folder, { model: standIn(behaviour), path }), {
        code: "ERR_INVALID_ARGUMENT",
        message: `The index ${path} was made with mine (16 numbers a vector), whose vectors cannot be compared with those of a model (${dimension} numbers a vector): open it with that model, pass rebuild: true to embed everything again, or choose another path`,
      });
    }
    await using same = await ImageIndex.open(folder, { model: standIn(), path, rebuild: true });
    assert.equal(await same.count(), 1);
    await using anew = await ImageIndex.open(folder, { model: standIn({ dimension: 8 }), path, rebuild: true });
    assert.equal(await anew.count(), 0);
    assert.deepEqual(counts(await anew.update()), { ...nothing, added: 1, failed: ["bad.jpg"] });
    assert.equal((await anew.searchText("one"))[0]!.path, join(folder, "a.jpg"));
  });

  test("an abort keeps what is done; a fatal error ends it", async () => {
    put(Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`${10 + index}.jpg`, `picture ${index}`])));
    const controller = new AbortController();
    const onPicture = (path: string) => path.endsWith("15.jpg") && controller.abort(new Error("stop"));
    await using index = await ImageIndex.open(folder, { model: standIn({ onPicture }) });
    await assert.rejects(index.update({ signal: controller.signal }), /stop/);
    assert.equal(await index.count(), 5);
    put({ "20.jpg": "fatal" });
    await assert.rejects(index.update(), { code: "ERR_DEVICE_LOST" });
    assert.equal(await index.count(), 10);
    put({ "20.jpg": "picture" });
    assert.deepEqual(counts(await index.update()), { ...nothing, added: 10, unchanged: 10 });
  });

  test("tells how far it is", async () => {
    put({ "a.jpg": "one", "b.jpg": "one", "c.jpg": "broken", "d.jpg": "two" });
    await using index = await ImageIndex.open(folder, { model: standIn() });
    const progress: unknown[] = [];
    await index.update({ onProgress: (step) => progress.push(step) });
    assert.deepEqual(
      progress,
      [1, 2, 3, 4].map((completed) => ({ completed, total: 4 })),
    );
  });

  test("has an outcome for every file, whatever its name and kind", async () => {
    put({ "a.jpg": "one" });
    writeFileSync(Buffer.concat([Buffer.from(`${folder}/`), Buffer.from("caf\xe9.jpg", "latin1")]), "two");
    symlinkSync("/dev/zero", join(folder, "zero.jpg"));
    execFileSync("mkfifo", [join(folder, "pipe.jpg")]);
    symlinkSync(join(folder, "pipe.jpg"), join(folder, "to-pipe.jpg"));
    symlinkSync(folder, join(folder, "again"));
    await using index = await ImageIndex.open(folder, { model: standIn() });
    const lost = ["caf\\xe9.jpg", "pipe.jpg", "to-pipe.jpg", "zero.jpg"];
    for (const expected of [{ added: 1 }, { unchanged: 1 }]) {
      const result = await index.update();
      assert.deepEqual(counts(result), { ...nothing, ...expected, failed: lost });
      assert.ok(result.failed.every(({ tried, error }) => tried && error.code === "ERR_IMAGE_DECODE"));
    }
    const { failed } = await index.add(["zero.jpg", "pipe.jpg"]);
    assert.deepEqual(
      failed.map(({ path, error }) => [path, error.message]),
      [
        ["zero.jpg", "It is not a regular file."],
        ["pipe.jpg", "It is not a regular file."],
      ],
    );
    assert.equal(await index.count(), 1);
  });

  test("keeps what it has of a folder that cannot be looked into", async () => {
    const linked = join(scratch, "linked");
    mkdirSync(linked);
    writeFileSync(join(linked, "b.jpg"), "two");
    put({ "a.jpg": "one" });
    symlinkSync(linked, join(folder, "disk"));
    await using index = await ImageIndex.open(folder, { model: standIn() });
    assert.equal((await index.update()).added, 2);
    // As when a disk is not mounted.
    renameSync(linked, `${linked} elsewhere`);
    assert.deepEqual(counts(await index.update()), { ...nothing, unchanged: 1, failed: ["disk"] });
    assert.equal(await index.count(), 2);
    renameSync(`${linked} elsewhere`, linked);
    assert.deepEqual(counts(await index.update()), { ...nothing, unchanged: 2 });
  });

  test("says of a file that cannot be read why, without a path that may change", async () => {
    put({ "a.jpg": "one", "below/bad.jpg": "broken" });
    await using index = await ImageIndex.open(folder, { model: standIn() });
    const [first] = (await index.update()).failed;
    assert.deepEqual(
      [first!.path, first!.error.message, first!.tried],
      ["below/bad.jpg", "The file is no picture", true],
    );
    const [second] = (await index.update()).failed;
    assert.deepEqual(
      [second!.path, second!.error.message, second!.tried],
      ["below/bad.jpg", "The file is no picture", false],
    );
    renameSync(join(folder, "below/bad.jpg"), join(folder, "moved.jpg"));
    const [moved] = (await index.update()).failed;
    assert.deepEqual([moved!.path, moved!.error.message, moved!.tried], ["moved.jpg", "The file is no picture", true]);
  });

  test("keeps its files when the folder is not there", async () => {
    put({ "a.jpg": "one" });
    await using index = await ImageIndex.open(folder, { model: standIn() });
    await index.update();
    renameSync(folder, `${folder} elsewhere`);
    await assert.rejects(index.update(), {
      code: "ERR_INVALID_ARGUMENT",
      message: `There is no folder ${folder}: check the path`,
    });
    assert.equal(await index.count(), 1);
  });

  test("refuses wrong arguments, a folder of something else, and calls after its end", async () => {
    const model = standIn();
    const refused = { code: "ERR_INVALID_ARGUMENT", name: "ClipBlipError" };
    await assert.rejects(ImageIndex.open("", { model }), refused);
    await assert.rejects(ImageIndex.open(join(folder, "nowhere"), { model }), refused);
    await assert.rejects(ImageIndex.open(folder, {} as never), refused);
    await assert.rejects(ImageIndex.open(folder, { model, pth: "x" } as never), /Unknown option options.pth/);
    const index = await ImageIndex.open(folder, { model });
    await assert.rejects(index.remove([], { sgnal: 1 } as never), /options\.sgnal: did you mean signal\?/);
    await assert.rejects(index.searchText(1 as never), refused);
    await assert.rejects(index.searchText("a", { top: 0 }), refused);
    assert.throws(() => index.duplicates({ threshold: 1.5 }), refused);
    assert.deepEqual(await index.searchText("a"), []);
    await index.close();
    await index.close();
    await assert.rejects(index.searchText("a"), { code: "ERR_CLOSED" });
    await assert.rejects(index.update(), (error) => error instanceof ClipBlipError && error.code === "ERR_CLOSED");
    writeFileSync(join(scratch, "file"), "");
    await assert.rejects(ImageIndex.open(folder, { model, path: join(scratch, "file") }), refused);
  });
});
