/** npm run test:gpu: what only a CUDA device can show. Skipped with a reason where there is none. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { BlipModel, ClipModel, cosineSimilarity } from "clip-blip";
import { afterAll, beforeAll, beforeEach, describe, it, type TestContext } from "vitest";
// The addon that the library above uses: the sources under lib/ would be a second copy.
import { native } from "../../dist/native/instance.js";
import { demoPictures } from "../library/models.js";
import { writeRandomClip } from "../library/random-checkpoint.js";
import { type FullSize, fullSize } from "./checkpoints.js";
import { findGpu } from "./device.js";
import { compareNumbers } from "./numbers.js";
import { rawPictures } from "./pictures.js";
import { runWithin } from "./programs.js";

const gpu = findGpu();
const missing = "missing" in gpu && gpu.missing;
const { name: device, total } = "missing" in gpu ? { name: "cuda:0" as const, total: 0 } : gpu;
const GIB = 1024 ** 3;
const TEXTS = ["a red circle", "", "a large star on a green background"];

describe("on a CUDA device", () => {
  beforeEach((t) => t.skip(missing !== false, missing || undefined));

  let folder: string;
  /** ViT-B/32 in size, made without Python: twelve layers of width 768. */
  let checkpoint: string;
  const made = new Map<FullSize, string | { missing: string }>();

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "clip-blip-gpu-"));
    checkpoint = folder;
    writeRandomClip(checkpoint, { width: 768, layers: 12, vocabulary: 10_000, imageSize: 224, patch: 32 });
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /** The path of a full-size checkpoint; where there is none the test is skipped with the reason. */
  function fullSizeOrSkip(t: TestContext, name: FullSize): string | undefined {
    if (!made.has(name)) made.set(name, fullSize(name, folder));
    const found = made.get(name)!;
    if (typeof found === "string") return found;
    t.skip(found.missing);
    return undefined;
  }

  const memory = () => native().memory(device);
  /** Without what graphs hold for their next run. */
  const cached = () => {
    const { reserved, allocated, heldByGraphs } = memory();
    return reserved - allocated - heldByGraphs;
  };
  /** Waits until no more than that is cached: the cache goes back behind the answer. */
  async function freed(most: number): Promise<void> {
    const end = performance.now() + 10_000;
    while (cached() > most) {
      assert.ok(performance.now() < end, `${cached()} bytes stay cached, ${most} were expected`);
      await sleep(1);
    }
  }

  /** The least cosine between float32 on the CPU and float16 on the GPU, over pictures and texts. */
  async function leastCosine(source: string): Promise<number> {
    await using exact = await ClipModel.load(source, { device: "cpu", dtype: "float32" });
    await using half = await ClipModel.load(source, { device });
    assert.equal(half.capabilities().dtype, "float16");
    const expected = [...(await exact.encodeImages(demoPictures)), ...(await exact.encodeTexts(TEXTS))];
    const actual = [...(await half.encodeImages(demoPictures)), ...(await half.encodeTexts(TEXTS))];
    return Math.min(...actual.map((vector, index) => cosineSimilarity(vector, expected[index]!)));
  }

  it("float16 vectors of the demo model equal float32 to a cosine of 0.999", async (t) => {
    const least = await leastCosine("demo");
    t.annotate(`least cosine ${least}`);
    compareNumbers(t, () => assert.ok(least >= 0.999, String(least)));
  });

  it("float16 vectors of a ViT-B/32 equal float32 to a cosine of 0.999", async (t) => {
    const source = fullSizeOrSkip(t, "clip-b32-quick_gelu");
    if (source === undefined) return;
    const least = await leastCosine(source);
    t.annotate(`least cosine ${least}`);
    compareNumbers(t, () => assert.ok(least >= 0.999, String(least)));
  });

  it("float32 captions equal those of the CPU", async (t) => {
    await using here = await BlipModel.load("demo", { device, dtype: "float32" });
    await using there = await BlipModel.load("demo", { device: "cpu", dtype: "float32" });
    for (const options of [{}, { numBeams: 3 }]) {
      const texts = async (blip: BlipModel) => (await blip.caption(demoPictures, options)).map(({ text }) => text);
      const [actual, expected] = [await texts(here), await texts(there)];
      compareNumbers(t, () => assert.deepEqual(actual, expected));
    }
  });

  it("keeps no cached blocks after a call, and would keep them without the guard", async (t) => {
    // More than are recorded as a graph, which needs no memory from a call.
    const pictures = rawPictures(96);
    await using guarded = await ClipModel.load(checkpoint, { device });
    await guarded.encodeImages(pictures);
    // What stays when nothing is cached: the ends of blocks that weights lie in.
    const emptied = async () => {
      await native().emptyCache(device);
      return cached();
    };
    let least = await emptied();
    await guarded.encodeImages(pictures);
    await freed(least);
    await using keeping = await ClipModel.load(checkpoint, { device, releaseCache: "on-out-of-memory" });
    least = await emptied();
    await keeping.encodeImages(pictures);
    const kept = cached();
    t.annotate(`${least} bytes cached with the guard, ${kept} without`);
    assert.ok(
      kept - least > 0.5 * keeping.capabilities().bytesPerItem,
      `${kept} with the cache kept, ${least} without`,
    );
    await guarded.encodeImages(pictures);
    await freed(least);
    const controller = new AbortController();
    const aborted = guarded.encodeImages(rawPictures(600), { signal: controller.signal });
    setTimeout(() => controller.abort("enough"), 30);
    await aborted.catch((reason) => assert.equal(reason, "enough"));
    // Behind the batch that ran when the call was aborted.
    await guarded.encodeImages(pictures);
    await freed(least);
  });

  it("finds a safe batch above 400 within 8 GiB, in less than 2 s, and stays below 80 % of the memory", (t) => {
    const found = runWithin<{ safeBatchSize: number; atLoad: number; again: number; peak: number }>(
      8 * GIB,
      total,
      "probe-in-8-gib",
      checkpoint,
      device,
    );
    t.annotate(JSON.stringify(found));
    assert.ok(found.safeBatchSize > 400, JSON.stringify(found));
    assert.ok(found.again < 2, JSON.stringify(found));
    assert.ok(found.peak < 0.8 * Math.min(total, 8 * GIB), JSON.stringify(found));
  });

  it("keeps the activations of every call at or below memoryLimit", async (t) => {
    await using free = await ClipModel.load(checkpoint, { device });
    const memoryLimit = 64 * free.capabilities().bytesPerItem;
    await using tight = await ClipModel.load(checkpoint, { device, memoryLimit });
    await tight.encodeImages(rawPictures(16));
    native().resetPeak(device);
    const { allocated } = memory();
    await tight.encodeImages(rawPictures(300));
    const peak = memory().peak - allocated;
    t.annotate(`${peak} bytes within ${memoryLimit}, safe batch ${tight.capabilities().safeBatchSize}`);
    // By its own measure of an item, which is no upper bound as that of the other is.
    const { safeBatchSize, bytesPerItem } = tight.capabilities();
    assert.ok(safeBatchSize * bytesPerItem <= memoryLimit, `${safeBatchSize} items of ${bytesPerItem} bytes`);
    assert.ok(peak <= memoryLimit, `${peak} bytes within ${memoryLimit}`);
  });

  interface UnderBallast {
    count: number;
    same: number;
    before: { largest: number; splits: number; failed: number };
    under: { largest: number; splits: number; failed: number };
    after: { largest: number; splits: number; failed: number };
    rounds: number;
  }

  const underBallast = (kind: string, source: string, bytes: number) =>
    runWithin<UnderBallast>(bytes, total, "split-under-ballast", kind, source, device, String(bytes));

  function assertSplit(t: TestContext, result: UnderBallast, mayDiffer: number): void {
    t.annotate(JSON.stringify(result));
    const { count, same, before, under, after } = result;
    assert.equal(before.splits, 0, "without the ballast there is room");
    assert.ok(under.splits > 0, "with it memory has really run out");
    assert.equal(under.failed, 0);
    compareNumbers(t, () => assert.ok(same >= count - mayDiffer, `${count - same} of ${count} results differ`));
    assert.equal(after.largest, before.largest, "the batches grow back");
  }

  it("splits a CLIP batch when a ballast has taken the room, and grows back when it has gone", (t) => {
    assertSplit(t, underBallast("clip", checkpoint, 1.25 * GIB), 0);
  });

  it("splits a BLIP batch when a ballast has taken the room, and grows back when it has gone", (t) => {
    const source = fullSizeOrSkip(t, "blip-base");
    if (source === undefined) return;
    // Two words of a random model may be as good as each other: the size of the batch moves the last bits.
    assertSplit(t, underBallast("blip", source, 2.5 * GIB), 2);
  });

  it("unloads to the byte, 200 times, without growth", async () => {
    await using other = await ClipModel.load("demo", { device });
    await other.unload();
    const { allocated } = memory();
    const clip = await ClipModel.load("demo", { device });
    const blip = await BlipModel.load("demo", { device });
    // Twice: the second call of a shape is recorded as a graph, where graphs are built.
    for (let call = 0; call < 2; call++) {
      await clip.encodeImages(demoPictures.slice(0, 1));
      await blip.caption(demoPictures.slice(0, 1));
    }
    assert.ok(memory().allocated > allocated);
    await blip.close();
    await clip.unload();
    assert.equal(memory().allocated, allocated);
    const { free } = other.capabilities().memory;
    for (let round = 0; round < 200; round++) {
      await clip.encodeTexts(["a red circle"]);
      await clip.unload();
      assert.equal(memory().allocated, allocated, `round ${round}`);
    }
    assert.ok(Math.abs(other.capabilities().memory.free - free) < 64 * 1024 ** 2);
    await clip.close();
  });
});
