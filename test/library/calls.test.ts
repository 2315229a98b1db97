import assert from "node:assert/strict";
import { createReadStream, readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { type BlipModel, type ClipModel, cosineSimilarity, devices, type ImageInput } from "clip-blip";
import sharp from "sharp";
import { afterAll, beforeAll, describe, it } from "vitest";
import { assertSameVectors, demoPictures, loadBlip, loadClip } from "./models.js";

const picture = demoPictures[1]!;

describe("a CLIP model", () => {
  let clip: ClipModel;
  beforeAll(async () => {
    clip = await loadClip();
  });
  afterAll(() => clip.close());

  it("gives rows of one buffer, of length 1, in the order given", async () => {
    const vectors = await clip.encodeImages(demoPictures);
    const { dimension } = clip.capabilities();
    assert.equal(vectors.length, demoPictures.length);
    for (const [index, vector] of vectors.entries()) {
      assert.ok(vector instanceof Float32Array);
      assert.equal(vector.length, dimension);
      assert.equal(vector.buffer, vectors[0]!.buffer);
      assert.equal(vector.byteOffset, index * dimension! * 4);
      assert.ok(Math.abs(Math.hypot(...vector) - 1) < 1e-5);
    }
    const [alone] = await clip.encodeImages([demoPictures[5]!]);
    assert.ok(cosineSimilarity(alone!, vectors[5]!) > 0.999999);
  });

  it("takes an empty list, one item and 1,000 items", async () => {
    assert.deepEqual(await clip.encodeImages([]), []);
    assert.deepEqual(await clip.encodeTexts([]), []);
    assert.deepEqual(await clip.classify([], ["a"]), []);
    const raw = { data: new Uint8Array(32 * 32 * 3).fill(200), width: 32, height: 32, channels: 3 as const };
    const progress: number[] = [];
    const vectors = await clip.encodeImages(
      Array.from({ length: 1000 }, () => raw),
      {
        onProgress: ({ completed, total }) => {
          assert.equal(total, 1000);
          progress.push(completed);
        },
      },
    );
    assert.equal(vectors.length, 1000);
    assert.equal(progress.at(-1), 1000);
    const texts = await clip.encodeTexts(Array.from({ length: 1000 }, (_, n) => `text number ${n}`));
    assert.equal(texts.length, 1000);
  });

  it("rejects with what onProgress throws, and refuses one that is no function", async () => {
    const failure = new Error("the caller's own");
    const onProgress = () => {
      throw failure;
    };
    for (const call of [
      () => clip.encodeImages(demoPictures.slice(0, 3), { onProgress }),
      () => clip.encodeTexts(["a", "b"], { onProgress }),
    ]) {
      await assert.rejects(call(), (error) => error === failure);
    }
    await assert.rejects(clip.encodeTexts(["a"], { onProgress: 1 as never }), { code: "ERR_INVALID_ARGUMENT" });
    assert.equal((await clip.encodeTexts(["a"])).length, 1);
  });

  it("gives the same vector for every form of the same picture", async () => {
    const bytes = readFileSync(picture);
    const { data, info } = await sharp(picture).removeAlpha().raw().toBuffer({ resolveWithObject: true });
    const forms: ImageInput[] = [
      picture,
      pathToFileURL(picture),
      pathToFileURL(picture).href,
      `data:image/png;base64,${bytes.toString("base64")}`,
      bytes,
      new Uint8Array(bytes),
      new Uint8Array(bytes).buffer,
      new Blob([bytes]),
      createReadStream(picture),
      new Blob([bytes]).stream(),
      sharp(picture),
      { data, width: info.width, height: info.height, channels: 3 },
    ];
    const vectors = await clip.encodeImages(forms);
    assertSameVectors(vectors, Array(forms.length).fill(vectors[0]));
  });

  it("does not keep the vectors of one call alive through another", async () => {
    const [first, second] = await Promise.all([clip.encodeImages([picture]), clip.encodeImages([picture])]);
    assert.notEqual(first![0]!.buffer, second![0]!.buffer);
    for await (const result of clip.encodeImageStream([picture, picture])) {
      assert.ok("embedding" in result && result.embedding.buffer.byteLength === result.embedding.byteLength);
    }
  });

  it("scores labels: best first, sum 1, normalize and template as asked", async () => {
    const [scores] = await clip.classify([picture], ["circle", "heart", "square"], { template: "a {}" });
    assert.deepEqual(new Set(scores!.map(({ label }) => label)), new Set(["circle", "heart", "square"]));
    assert.ok(Math.abs(scores!.reduce((sum, { score }) => sum + score, 0) - 1) < 1e-9);
    assert.ok(scores![0]!.score >= scores![1]!.score && scores![1]!.score >= scores![2]!.score);
    const [raw] = await clip.encodeImages([picture], { normalize: false });
    const [unit] = await clip.encodeImages([picture]);
    assert.ok(Math.abs(Math.hypot(...raw!) - 1) > 1e-3);
    assert.ok(cosineSimilarity(raw!, unit!) > 0.999999);
  });

  it("cuts long texts and keeps their end token", async () => {
    const [long, longer] = await clip.encodeTexts(["red ".repeat(100), "red ".repeat(10_000)]);
    assert.deepEqual(long, longer);
  });

  it("counts the tokens that it reads", () => {
    // Start and end token around the words; cut at the context of 32.
    assert.deepEqual(clip.countTokens(["a", "a a a", "a ".repeat(100)]), [3, 5, 32]);
    assert.throws(() => clip.countTokens([1 as never]), { code: "ERR_INVALID_ARGUMENT", index: 0 });
  });

  it("answers calls that come at the same time, each with its own result", async () => {
    const alone = await Promise.all(demoPictures.map(async (path) => (await clip.encodeImages([path]))[0]!));
    const together = await clip.encodeImages(demoPictures);
    for (const [index, vector] of alone.entries()) assert.ok(cosineSimilarity(vector, together[index]!) > 0.999999);
  });

  it("tells what it is", () => {
    const told = clip.capabilities();
    assert.equal(told.architecture, "clip");
    assert.equal(told.device, "cpu");
    assert.equal(told.dtype, "float32");
    assert.equal(told.state, "loaded");
    assert.match(told.libtorch, /^2\.\d+\.\d+/);
    assert.ok(told.dimension! > 0 && told.imageSize! > 0 && told.safeBatchSize >= 1 && told.bytesPerItem > 0);
    assert.ok(told.memory.free > 0 && told.memory.total >= told.memory.allocated && told.memory.allocated > 0);
    assert.equal(devices()[0]!.name, "cpu");
  });

  it("stops a call with its own reason, and the next one works", async () => {
    const reason = new Error("not needed any more");
    const controller = new AbortController();
    const call = clip.encodeImages(
      Array.from({ length: 300 }, () => picture),
      { signal: controller.signal },
    );
    setTimeout(() => controller.abort(reason), 30);
    const started = performance.now();
    await assert.rejects(call, (error) => error === reason);
    assert.ok(performance.now() - started < 2000);
    assert.equal((await clip.encodeImages([picture])).length, 1);
    await assert.rejects(clip.encodeTexts(["a"], { signal: AbortSignal.abort(reason) }), (error) => error === reason);
  });

  it("leaves the event loop and the file system free under load", async () => {
    const delay = monitorEventLoopDelay({ resolution: 1 });
    const work = clip.encodeImages(Array.from({ length: 400 }, () => picture));
    delay.enable();
    const reads: number[] = [];
    let done = false;
    void work.finally(() => {
      done = true;
    });
    while (!done) {
      const started = performance.now();
      await readFile(picture);
      reads.push(performance.now() - started);
      await sleep(5);
    }
    delay.disable();
    reads.sort((a, b) => a - b);
    const p50 = reads[Math.floor(reads.length / 2)]!;
    // Generous bounds for a shared machine of two cores: a blocked loop or a starved pool shows as hundreds of ms.
    assert.ok(delay.percentile(99) / 1e6 < 100, `event loop p99 ${delay.percentile(99) / 1e6} ms`);
    assert.ok(p50 < 50, `readFile median ${p50} ms`);
  });
});

describe("a BLIP model", () => {
  let blip: BlipModel;
  beforeAll(async () => {
    blip = await loadBlip();
  });
  afterAll(() => blip.close());

  it("writes captions with and without a prompt", async () => {
    const [plain] = await blip.caption([picture]);
    assert.match(plain!.text, /^[a-z0-9 ]+$/);
    assert.ok(plain!.score <= 0 && plain!.score > -5);
    assert.deepEqual(plain!.alternatives, []);
    const [prompted] = await blip.caption([picture], { prompt: "a picture of" });
    assert.match(prompted!.text, /^a picture of /);
    const [empty] = await blip.caption([picture], { prompt: "" });
    assert.deepEqual(empty!.tokenIds, plain!.tokenIds);
  });

  it("takes every option of generation at the value that changes nothing", async () => {
    const [plain] = await blip.caption([picture]);
    const [same] = await blip.caption([picture], {
      numBeams: 1,
      numReturnSequences: 1,
      repetitionPenalty: 1,
      lengthPenalty: 1,
      noRepeatNgramSize: 0,
      doSample: false,
      temperature: 1,
      topK: 50,
      topP: 1,
      seed: 7,
    });
    assert.deepEqual(same, plain);
  });

  it("keeps maxLength and minLength", async () => {
    const [short] = await blip.caption([picture], { maxLength: 4 });
    assert.equal(short!.tokenIds.length, 4);
    const [long] = await blip.caption([picture], { minLength: 18, maxLength: 24 });
    assert.ok(long!.tokenIds.length >= 18, String(long!.tokenIds.length));
  });

  it("takes an empty list, and many pictures in one call", async () => {
    assert.deepEqual(await blip.caption([]), []);
    const many = Array.from({ length: 40 }, (_, index) => demoPictures[index % demoPictures.length]!);
    const captions = await blip.caption(many);
    assert.equal(captions.length, 40);
    assert.equal(captions[0]!.text, captions[demoPictures.length]!.text);
  });

  it("captions raw pictures of its size from where they lie, or as they were when the call began", async () => {
    const { imageSize } = blip.capabilities();
    const raw = async (path: string) => {
      const data = await sharp(path).removeAlpha().resize(imageSize!, imageSize!, { fit: "fill" }).raw().toBuffer();
      return { data, width: imageSize!, height: imageSize!, channels: 3 as const };
    };
    const pictures = await Promise.all(demoPictures.slice(0, 5).map(raw));
    const decoded = await Promise.all(
      pictures.map(({ data, ...size }) => sharp(data, { raw: size }).png({ compressionLevel: 0 }).toBuffer()),
    );
    const expected = await blip.caption(decoded);
    const shared = pictures.map(({ data, ...size }) => {
      const copy = new Uint8Array(new SharedArrayBuffer(data.length));
      copy.set(data);
      return { data: copy, ...size };
    });
    assert.deepEqual(await blip.caption(shared), expected);
    for (let call = 0; call < 2; call++) {
      const own = pictures.map(({ data, ...size }) => ({ data: new Uint8Array(data), ...size }));
      const captions = blip.caption(own);
      for (const { data } of own) data.fill(0);
      assert.deepEqual(await captions, expected);
    }
  });

  it("captions a stream in order", async () => {
    const texts: string[] = [];
    for await (const result of blip.captionStream(demoPictures)) {
      assert.equal(result.index, texts.length);
      assert.ok("caption" in result);
      texts.push(result.caption.text);
    }
    assert.deepEqual(
      texts,
      (await blip.caption(demoPictures)).map(({ text }) => text),
    );
  });
});

describe("dtypes", () => {
  for (const dtype of ["bfloat16", "float16"] as const) {
    it(`${dtype} vectors are close to float32`, async () => {
      await using exact = await loadClip();
      await using rounded = await loadClip({ dtype });
      const [a, b] = await Promise.all([exact.encodeImages(demoPictures), rounded.encodeImages(demoPictures)]);
      for (const [index, vector] of a.entries())
        assert.ok(cosineSimilarity(vector, b[index]!) > 0.999, `picture ${index}`);
      const [c, d] = await Promise.all([exact.encodeTexts(["a red circle"]), rounded.encodeTexts(["a red circle"])]);
      assert.ok(cosineSimilarity(c[0]!, d[0]!) > 0.999);
    });
    it(`${dtype} captions are sentences`, async () => {
      await using blip = await loadBlip({ dtype });
      assert.match((await blip.caption([picture]))[0]!.text, /^(a|two|three) .* background$/);
    });
  }
});
