/** npm run test:gpu: what only a CUDA device can show. Skipped with a reason where there is none. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { BlipModel, ClipModel, cosineSimilarity } from "clip-blip";
// The addon that the library above uses: the sources under lib/ would be a second copy.
import { native } from "../../dist/native/instance.js";
import { demoPictures, repositoryPath } from "../library/models.js";
import { writeRandomClip } from "../library/random-checkpoint.js";
import { findGpu } from "./device.js";

const gpu = findGpu();
const skip = "missing" in gpu ? gpu.missing : false;
const device = "missing" in gpu ? "cuda:0" : gpu.name;
const GIB = 1024 ** 3;

/** Runs a program in a process of its own, whose allocator may take a part of the GPU's memory only. */
function runWithin(fraction: number, program: string): unknown {
  const child = spawnSync(process.execPath, ["--input-type=module", "-e", program], {
    cwd: repositoryPath("."),
    encoding: "utf8",
    env: { ...process.env, PYTORCH_ALLOC_CONF: `per_process_memory_fraction:${fraction}` },
    timeout: 120_000,
  });
  assert.equal(child.signal, null, child.stderr);
  assert.equal(child.status, 0, child.stderr);
  return JSON.parse(child.stdout);
}

describe("on a CUDA device", { skip }, () => {
  let folder: string;
  /** ViT-B/32 in size: twelve layers of width 768. */
  let checkpoint: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), "clip-blip-gpu-"));
    checkpoint = folder;
    writeRandomClip(checkpoint, { width: 768, layers: 12, vocabulary: 10_000, imageSize: 224, patch: 32 });
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  it("float16 vectors equal float32 to a cosine of 0.999", async () => {
    await using exact = await ClipModel.load("demo", { device: "cpu", dtype: "float32" });
    await using half = await ClipModel.load("demo", { device });
    assert.equal(half.capabilities().dtype, "float16");
    const [a, b] = [await exact.encodeImages(demoPictures), await half.encodeImages(demoPictures)];
    for (const [index, vector] of a.entries())
      assert.ok(cosineSimilarity(vector, b[index]!) >= 0.999, `picture ${index}`);
    const texts = ["a red circle", "", "a large star on a green background"];
    const [c, d] = [await exact.encodeTexts(texts), await half.encodeTexts(texts)];
    for (const [index, vector] of c.entries()) assert.ok(cosineSimilarity(vector, d[index]!) >= 0.999, texts[index]);
  });

  it("float32 captions equal those of the CPU", async () => {
    await using here = await BlipModel.load("demo", { device, dtype: "float32" });
    await using there = await BlipModel.load("demo", { device: "cpu", dtype: "float32" });
    const texts = async (blip: BlipModel) => (await blip.caption(demoPictures)).map((caption) => caption.text);
    assert.deepEqual(await texts(here), await texts(there));
  });

  it("keeps no cached blocks after a call, and would keep them without the guard", async () => {
    const cached = () => native().memory(device).reserved - native().memory(device).allocated;
    await using guarded = await ClipModel.load(checkpoint, { device });
    await guarded.encodeImages(demoPictures);
    const after = cached();
    await using keeping = await ClipModel.load(checkpoint, { device, releaseCache: "on-out-of-memory" });
    await keeping.encodeImages(demoPictures);
    assert.ok(cached() > after + 1024 ** 2, `${cached()} with the cache kept, ${after} without`);
    await guarded.encodeImages(demoPictures);
    assert.ok(cached() <= after, `${cached()} after a guarded call`);
  });

  it("finds a safe batch above 400 within 8 GiB, in less than 2 s, and stays below 80 % of the memory", () => {
    const total = "missing" in gpu ? 0 : gpu.total;
    const result = runWithin(
      Math.min(1, (8 * GIB) / total),
      `import { ClipModel } from "clip-blip";
       const clip = await ClipModel.load(${JSON.stringify(checkpoint)}, { device: "${device}", memoryLimit: ${8 * GIB} });
       const started = performance.now();
       await clip.probe();
       const seconds = (performance.now() - started) / 1000;
       const { safeBatchSize, memory } = clip.capabilities();
       console.log(JSON.stringify({ safeBatchSize, seconds, peak: memory.peak, total: memory.total }));`,
    ) as { safeBatchSize: number; seconds: number; peak: number; total: number };
    assert.ok(result.safeBatchSize > 400, JSON.stringify(result));
    assert.ok(result.seconds < 2, JSON.stringify(result));
    assert.ok(result.peak < 0.8 * Math.min(result.total, 8 * GIB), JSON.stringify(result));
  });

  it("splits when memory really runs out, and the results are those of an unlimited run", () => {
    const total = "missing" in gpu ? 0 : gpu.total;
    const result = runWithin(
      Math.min(1, (1.2 * GIB) / total),
      `import { ClipModel, cosineSimilarity } from "clip-blip";
       const raw = (n) => ({ data: new Uint8Array(224 * 224 * 3).map((_, i) => (i * 31 + n * 7) % 256), width: 224, height: 224, channels: 3 });
       const pictures = Array.from({ length: 256 }, (_, n) => raw(n));
       // A ballast takes most of the room after the probe has measured it as free.
       const clip = await ClipModel.load(${JSON.stringify(checkpoint)}, { device: "${device}" });
       const expected = await clip.encodeImages(pictures);
       const ballast = await ClipModel.load(${JSON.stringify(checkpoint)}, { device: "${device}", dtype: "float32" });
       const actual = await clip.encodeImages(pictures);
       const least = Math.min(...actual.map((vector, n) => cosineSimilarity(vector, expected[n])));
       console.log(JSON.stringify({ least, state: ballast.capabilities().state }));`,
    ) as { least: number };
    assert.ok(result.least > 0.9999, JSON.stringify(result));
  });

  it("unloads to the byte, 200 times, without growth", async () => {
    await using other = await ClipModel.load("demo", { device });
    const before = other.capabilities().memory.allocated;
    const clip = await ClipModel.load("demo", { device });
    await clip.encodeImages(demoPictures.slice(0, 1));
    await clip.unload();
    assert.equal(clip.capabilities().memory.allocated, before);
    const free = other.capabilities().memory.free;
    for (let round = 0; round < 200; round++) {
      await clip.encodeTexts(["a red circle"]);
      await clip.unload();
    }
    assert.equal(clip.capabilities().memory.allocated, before);
    assert.ok(Math.abs(other.capabilities().memory.free - free) < 64 * 1024 ** 2);
    await clip.close();
  });
});
