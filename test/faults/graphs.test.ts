import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { demoPictures } from "../library/models.js";
import { withFaults } from "./addon.js";

const { ClipModel, faults } = await withFaults();

// What surrounds recorded graphs, on the CPU: a "graph" of the test addon runs the same work again on the same memory.
describe("recorded graphs", () => {
  beforeEach(() => faults.recordOnCpu(true));
  afterEach(() => faults.recordOnCpu(false));

  it("are recorded at a shape's second call, and give each call its own vectors", async () => {
    faults.recordOnCpu(false);
    const clip = await ClipModel.load("demo", { device: "cpu", dtype: "float32" });
    const expected = await clip.encodeImages(demoPictures.slice(0, 6));
    faults.recordOnCpu(true);
    const found: Float32Array[] = [];
    for (const picture of demoPictures.slice(0, 6)) found.push(...(await clip.encodeImages([picture])));
    assert.deepEqual(faults.graphCounts(), { recorded: 1, replayed: 5 });
    for (const [index, vector] of found.entries()) {
      assert.ok(
        vector.every((value, i) => Math.abs(value - expected[index]![i]!) < 1e-6),
        `picture ${index}`,
      );
    }
    await clip.close();
  });

  it("are kept for each length of a text, and not for large batches", async () => {
    const clip = await ClipModel.load("demo", { device: "cpu", dtype: "float32", maxBatchSize: 16 });
    faults.recordOnCpu(true);
    const texts = ["a star", "a red circle on a white background"];
    const first = [await clip.encodeTexts([texts[0]!]), await clip.encodeTexts([texts[1]!])];
    const again = [await clip.encodeTexts([texts[0]!]), await clip.encodeTexts([texts[1]!])];
    assert.deepEqual(again, first);
    assert.equal(faults.graphCounts().recorded, 2);
    for (let i = 0; i < 3; i++) await clip.encodeImages(demoPictures.slice(0, 9));
    assert.equal(faults.graphCounts().recorded, 2, "nine pictures are no small batch");
    await clip.close();
  });

  it("do without where recording runs out of memory", async () => {
    const clip = await ClipModel.load("demo", { device: "cpu", dtype: "float32" });
    const [picture] = demoPictures;
    faults.recordOnCpu(true);
    const [expected] = await clip.encodeImages([picture!]);
    // The first run of the recording.
    faults.armFault("out-of-memory", 1);
    const results = [await clip.encodeImages([picture!]), await clip.encodeImages([picture!])];
    assert.equal(faults.faultsFired(), 1);
    assert.equal(faults.graphCounts().recorded, 0);
    for (const [vector] of results) assert.deepEqual(vector, expected);
    await clip.close();
  });

  it("leave nothing behind", async () => {
    const clip = await ClipModel.load("demo", { device: "cpu", dtype: "float32" });
    await clip.unload();
    const before = clip.capabilities().memory.allocated;
    for (let i = 0; i < 3; i++) await clip.encodeImages(demoPictures.slice(0, 2));
    await clip.unload();
    assert.equal(clip.capabilities().memory.allocated, before);
    await clip.close();
  });
});
