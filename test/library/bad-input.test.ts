import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  BlipModel,
  type ClassifyOptions,
  ClipBlipError,
  ClipModel,
  cosineSimilarity,
  type EncodeImagesOptions,
  type EncodeTextsOptions,
  type ErrorCode,
  exportCheckpoint,
  type ImageInput,
  type LoadOptions,
  similarityMatrix,
} from "clip-blip";
import sharp from "sharp";
import { afterAll, beforeAll, describe, it } from "vitest";
import { demoPictures, loadBlip, loadClip, repositoryPath } from "./models.js";

const good = demoPictures[0]!;

/** The error is coded, is one sentence without a backtrace, and names no native frame. */
async function rejectsWith(promise: Promise<unknown>, code: ErrorCode, more: { index?: number; text?: RegExp } = {}) {
  await assert.rejects(promise, (error) => {
    assert.ok(error instanceof ClipBlipError, String(error));
    assert.equal(error.code, code, error.message);
    assert.ok(!/\n|frame #|Exception raised from/.test(error.message), error.message);
    if (more.index !== undefined) assert.equal(error.index, more.index);
    if (more.text) assert.match(error.message, more.text);
    return true;
  });
}

describe("pictures that are none", () => {
  let folder: string;
  let clip: ClipModel;
  let blip: BlipModel;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "clip-blip-bad-"));
    clip = await loadClip();
    blip = await loadBlip();
  });
  afterAll(async () => {
    await clip.close();
    await blip.close();
    rmSync(folder, { recursive: true });
  });

  const cases: [string, ErrorCode, () => ImageInput | Promise<ImageInput>][] = [
    ["a text file", "ERR_IMAGE_DECODE", () => write("notes.txt", Buffer.from("this is no picture"))],
    ["an empty file", "ERR_IMAGE_DECODE", () => write("empty.jpg", Buffer.alloc(0))],
    ["a truncated JPEG", "ERR_IMAGE_DECODE", () => write("cut.jpg", readFileSync(good).subarray(0, 9000))],
    ["a missing path", "ERR_IMAGE_NOT_FOUND", () => join(folder, "nowhere.jpg")],
    ["a directory", "ERR_IMAGE_DECODE", () => folder],
    ["an SVG", "ERR_IMAGE_DECODE", () => Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>')],
    [
      "a PNG of 17000 x 17000",
      "ERR_IMAGE_TOO_LARGE",
      () =>
        sharp({ create: { width: 17000, height: 17000, channels: 3, background: "red" }, limitInputPixels: false })
          .png({ compressionLevel: 1 })
          .toBuffer(),
    ],
    ["a remote URL without permission", "ERR_INVALID_ARGUMENT", () => "https://127.0.0.1/picture.jpg"],
    ["a number", "ERR_INVALID_ARGUMENT", () => 7 as unknown as ImageInput],
    ["null", "ERR_INVALID_ARGUMENT", () => null as unknown as ImageInput],
    ["raw pixels of the wrong length", "ERR_INVALID_ARGUMENT", () => raw(10, 10, 299)],
    ["raw pixels without a width", "ERR_INVALID_ARGUMENT", () => raw(Number.NaN, 10, 300)],
    ["raw pixels of an impossible size", "ERR_INVALID_ARGUMENT", () => raw(2 ** 53, 10, 300)],
  ];

  function write(name: string, bytes: Buffer): string {
    const path = join(folder, name);
    writeFileSync(path, bytes);
    return path;
  }

  function raw(width: number, height: number, length: number): ImageInput {
    return { data: new Uint8Array(length), width, height, channels: 3 };
  }

  for (const [what, code, make] of cases) {
    it(`rejects ${what} with ${code}, and the next call works`, async () => {
      const input = await make();
      await rejectsWith(clip.encodeImages([good, input, good]), code, { index: 1 });
      await rejectsWith(blip.caption([input]), code);
      assert.equal((await clip.encodeImages([good])).length, 1);
      assert.equal((await blip.caption([good])).length, 1);
    });
  }

  it("gives a bad picture of a stream as a result and goes on", async () => {
    const inputs = [good, join(folder, "nowhere.jpg"), 7 as unknown as ImageInput, good];
    const seen: string[] = [];
    for await (const result of clip.encodeImageStream(inputs)) {
      seen.push("error" in result ? result.error.code : "ok");
      assert.equal(result.input, inputs[result.index]);
    }
    assert.deepEqual(seen, ["ok", "ERR_IMAGE_NOT_FOUND", "ERR_INVALID_ARGUMENT", "ok"]);
  });
});

describe("arguments of the wrong type", () => {
  let clip: ClipModel;
  let blip: BlipModel;
  beforeAll(async () => {
    clip = await loadClip();
    blip = await loadBlip();
  });
  afterAll(async () => {
    await clip.close();
    await blip.close();
  });

  const wrong = <T>(value: unknown) => value as T;
  const calls: [string, () => Promise<unknown>][] = [
    ["encodeImages of undefined", () => clip.encodeImages(wrong(undefined))],
    [
      "encodeImages with an unknown option",
      () => clip.encodeImages([good], wrong<EncodeImagesOptions>({ normalise: true })),
    ],
    [
      "encodeImages with a wrong normalize",
      () => clip.encodeImages([good], wrong<EncodeImagesOptions>({ normalize: 1 })),
    ],
    ["encodeImages with options that are none", () => clip.encodeImages([good], wrong<EncodeImagesOptions>(5))],
    ["encodeImages with a wrong signal", () => clip.encodeImages([good], wrong<EncodeImagesOptions>({ signal: {} }))],
    ["encodeImages with a wrong pixel limit", () => clip.encodeImages([good], { maxPixels: -1 })],
    ["encodeTexts of numbers", () => clip.encodeTexts(wrong([1]))],
    ["encodeTexts of a sparse array", () => clip.encodeTexts(new Array(3))],
    [
      "encodeTexts with a wrong truncate",
      () => clip.encodeTexts(["a"], wrong<EncodeTextsOptions>({ truncate: "yes" })),
    ],
    ["classify without labels", () => clip.classify([good], [])],
    ["classify with a template without a place", () => clip.classify([good], ["a"], { template: "a photo" })],
    ["classify with a wrong template", () => clip.classify([good], ["a"], wrong<ClassifyOptions>({ template: 1 }))],
    ["caption with a prompt too many", () => blip.caption([good], { prompt: ["a", "b"] })],
    ["caption with a prompt that is none", () => blip.caption([good], { prompt: wrong(3) })],
    ["caption with a maxLength of 0", () => blip.caption([good], { maxLength: 0 })],
    ["caption with a maxLength beyond the context", () => blip.caption([good], { maxLength: 100_000 })],
    ["caption with a fractional minLength", () => blip.caption([good], { minLength: 1.5 })],
    ["caption with several greedy texts", () => blip.caption([good], { numReturnSequences: 2 })],
    ["caption with more texts than beams", () => blip.caption([good], { numBeams: 2, numReturnSequences: 3 })],
    ["caption with a million beams", () => blip.caption([good], { numBeams: 1_000_000 })],
    ["caption with a word too short to ban", () => blip.caption([good], { badWords: ["a", " "] })],
    ["caption with a bad word that is none", () => blip.caption([good], { badWords: wrong([3]) })],
    ["caption that stops sometimes", () => blip.caption([good], { earlyStopping: wrong("sometimes") })],
    ["caption with no new tokens", () => blip.caption([good], { maxNewTokens: 0 })],
    ["caption with a temperature of 0", () => blip.caption([good], { doSample: true, temperature: 0 })],
    ["caption with a topP above 1", () => blip.caption([good], { doSample: true, topP: 1.5 })],
    ["caption with a negative seed", () => blip.caption([good], { doSample: true, seed: -1 })],
    ["caption with beams that are none", () => blip.caption([good], { numBeams: 0 })],
    ["caption with a minLength above maxLength", () => blip.caption([good], { minLength: 12, maxLength: 8 })],
    ["caption with a minLength above maxNewTokens", () => blip.caption([good], { minLength: 12, maxNewTokens: 8 })],
    ["caption with a minLength above the default maxLength", () => blip.caption([good], { minLength: 300 })],
    ["caption with minNewTokens above maxLength", () => blip.caption([good], { minNewTokens: 12, maxLength: 8 })],
    ["caption with a temperature that nothing is drawn with", () => blip.caption([good], { temperature: 0.5 })],
    ["caption with a topK that nothing is drawn with", () => blip.caption([good], { topK: 5, doSample: false })],
    ["caption with a topP that nothing is drawn with", () => blip.caption([good], { topP: 0.5, numBeams: 3 })],
    ["caption with a lengthPenalty without beams", () => blip.caption([good], { lengthPenalty: 2 })],
    ["caption with an option of transformers", () => blip.caption([good], wrong({ num_beams: 3 }))],
    ["load of nothing", () => ClipModel.load(wrong(undefined))],
    ["load with an unknown option", () => ClipModel.load("demo", wrong<LoadOptions>({ devcie: "cpu" }))],
    ["load with an unknown dtype", () => ClipModel.load("demo", { dtype: wrong("int8") })],
    ["load with a strange device", () => ClipModel.load("demo", { device: wrong("gpu") })],
    ["load with a fraction above 1", () => ClipModel.load("demo", { memoryFraction: 1.1 })],
    ["load with a NaN fraction", () => ClipModel.load("demo", { memoryFraction: Number.NaN })],
    ["load with a batch size of 0", () => ClipModel.load("demo", { maxBatchSize: 0 })],
    ["load with a hash that is none", () => ClipModel.load("demo", { sha256: "abc" })],
    ["load with a huge time-out", () => ClipModel.load("demo", { idleUnload: 2 ** 40 })],
    ["export to nowhere", () => exportCheckpoint(repositoryPath("models/demo-clip"), wrong(undefined))],
  ];
  for (const [what, call] of calls) {
    it(`rejects ${what}`, async () => {
      await rejectsWith(call(), "ERR_INVALID_ARGUMENT");
    });
  }

  it("throws at once from the streams", () => {
    assert.throws(() => clip.encodeImageStream(wrong(good)), { code: "ERR_INVALID_ARGUMENT" });
    assert.throws(() => blip.captionStream([good], wrong({ prompt: ["a"] })), { code: "ERR_INVALID_ARGUMENT" });
  });

  it("throws from cosineSimilarity", () => {
    assert.throws(() => cosineSimilarity([1, 2], [1]), { code: "ERR_INVALID_ARGUMENT" });
    assert.throws(() => cosineSimilarity(wrong("ab"), wrong("ab")), { code: "ERR_INVALID_ARGUMENT" });
    assert.equal(cosineSimilarity([0, 0], [1, 1]), 0);
  });

  it("compares only vectors of finite numbers, however large or small", () => {
    const half = Math.SQRT1_2;
    for (const scale of [1, 1e200, 1e-200, Number.MAX_VALUE, Number.MIN_VALUE]) {
      assert.ok(Math.abs(cosineSimilarity([scale, scale], [1, 0]) - half) < 1e-15, String(scale));
    }
    assert.equal(cosineSimilarity([0.1, 0.2, 0.3], [0.1, 0.2, 0.3]) <= 1, true);
    for (const vector of [
      [[1, 2]],
      [1, Number.NaN],
      [1, Number.POSITIVE_INFINITY],
      [1, "2"],
      [1, null],
      [1, 2n],
      new Array(2),
      [],
    ]) {
      const refused = { code: "ERR_INVALID_ARGUMENT", message: /^Expected (a finite number for a\[\d\]|a vector)/ };
      assert.throws(() => cosineSimilarity(wrong(vector), wrong(vector)), refused);
      assert.throws(() => similarityMatrix([[1, 2], wrong(vector)], []), { code: "ERR_INVALID_ARGUMENT", index: 1 });
    }
    assert.throws(() => cosineSimilarity(wrong([[1]]), [1]), { message: /a finite number for a\[0\] but received \[/ });
  });

  it("compares no embeddings that are none", async () => {
    const [embedding] = await clip.encodeTexts(["a"]);
    for (const bad of [[...embedding!].fill(Number.NaN), Array(embedding!.length).fill([1])]) {
      await rejectsWith(clip.similarity([embedding!, wrong<Float32Array>(bad)], ["a"]), "ERR_INVALID_ARGUMENT", {
        index: 1,
      });
    }
  });

  it("says what to do about a prompt that fills the caption, and about a text that is too long", async () => {
    await rejectsWith(
      blip.caption([good], { prompt: "a picture of a large red circle", maxLength: 4 }),
      "ERR_TEXT_TOO_LONG",
    );
    await rejectsWith(blip.caption([good], { prompt: "a picture of", maxNewTokens: 30 }), "ERR_TEXT_TOO_LONG");
    await rejectsWith(clip.encodeTexts(["fine", "red ".repeat(500)], { truncate: false }), "ERR_TEXT_TOO_LONG", {
      index: 1,
    });
  });
});

describe("models that are none", () => {
  let folder: string;
  let archive: string;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "clip-blip-models-"));
    archive = join(folder, "demo.pt");
    await exportCheckpoint(repositoryPath("models/demo-clip"), archive);
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  const copyCutTo = (share: number) => {
    const path = join(folder, `cut-${share}.pt`);
    const bytes = readFileSync(archive);
    writeFileSync(path, bytes);
    truncateSync(path, Math.floor(bytes.length * share));
    return path;
  };
  const write = (name: string, text: string) => {
    const path = join(folder, name);
    writeFileSync(path, text);
    return path;
  };

  for (const share of [0, 0.001, 0.3, 0.9, 0.999]) {
    it(`rejects an archive cut to ${share} of its size`, async () => {
      await rejectsWith(ClipModel.load(copyCutTo(share), { device: "cpu" }), "ERR_MODEL_INVALID");
    });
  }
  it("rejects a file that is no archive", async () => {
    await rejectsWith(ClipModel.load(write("notes.pt", "just text"), { device: "cpu" }), "ERR_MODEL_INVALID");
  });
  it("rejects a path and a hub id that are nowhere", async () => {
    await rejectsWith(ClipModel.load(join(folder, "nothing.pt"), { device: "cpu" }), "ERR_MODEL_NOT_FOUND");
  });
  it("rejects a directory that is no checkpoint", async () => {
    await rejectsWith(ClipModel.load(repositoryPath("models/demo-pictures"), { device: "cpu" }), "ERR_MODEL_INVALID");
  });
  it("rejects the other architecture and names the class to use", async () => {
    await rejectsWith(BlipModel.load(archive, { device: "cpu" }), "ERR_MODEL_INVALID", { text: /ClipModel/ });
    await rejectsWith(ClipModel.load(repositoryPath("models/demo-blip"), { device: "cpu" }), "ERR_MODEL_INVALID", {
      text: /BlipModel/,
    });
  });
  it("rejects a device that is not there", async () => {
    await rejectsWith(ClipModel.load(archive, { device: "cuda:31" }), "ERR_DEVICE_NOT_FOUND");
  });
  it("rejects another hash before anything is loaded, and takes the right one", async () => {
    await rejectsWith(ClipModel.load(archive, { device: "cpu", sha256: "0".repeat(64) }), "ERR_MODEL_HASH");
    const { createHash } = await import("node:crypto");
    const sha256 = createHash("sha256").update(readFileSync(archive)).digest("hex");
    await using clip = await ClipModel.load(archive, { device: "cpu", sha256: sha256.toUpperCase() });
    assert.equal((await clip.encodeImages([good])).length, 1);
  });
  it("does not write an archive over a directory, and leaves nothing behind", async () => {
    await assert.rejects(
      exportCheckpoint(repositoryPath("models/demo-clip"), join(folder, "no", "such", "place.pt")),
      ClipBlipError,
    );
    await rejectsWith(exportCheckpoint(archive, join(folder, "again.pt")), "ERR_INVALID_ARGUMENT");
  });
});
