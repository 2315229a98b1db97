import assert from "node:assert/strict";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import type { ClipModel } from "clip-blip";
import { afterAll, beforeAll, beforeEach, describe, it } from "vitest";
import type { BatchEvent, PreparationEvent } from "../../lib/engine/events.js";
import { demoPictures } from "../library/models.js";
import { type Faults, withFaults } from "./addon.js";

describe("what the engine tells of its batches", () => {
  let clip: ClipModel;
  let faults: Faults;
  let batches: BatchEvent[] = [];
  let preparations: PreparationEvent[] = [];
  const onBatch = (event: unknown) => batches.push(event as BatchEvent);
  const onPreparation = (event: unknown) => preparations.push(event as PreparationEvent);

  beforeAll(async () => {
    const library = await withFaults();
    faults = library.faults;
    clip = await library.ClipModel.load("demo", { device: "cpu", dtype: "float32", maxBatchSize: 16 });
    subscribe("clip-blip:batch", onBatch);
    subscribe("clip-blip:preparation", onPreparation);
  });
  beforeEach(() => {
    batches = [];
    preparations = [];
  });
  afterAll(async () => {
    unsubscribe("clip-blip:batch", onBatch);
    unsubscribe("clip-blip:preparation", onPreparation);
    await clip.close();
  });

  it("each batch has its items, waits and seconds; each picture its preparation", async () => {
    await clip.encodeImages(demoPictures);
    await clip.encodeTexts(["one", "two", "three"]);
    const [texts] = batches.filter(({ operation }) => operation === "encode_text");
    const images = batches.filter(({ operation }) => operation === "encode_image");
    assert.equal(images.length + 1, batches.length);
    assert.equal(
      images.reduce((sum, { items }) => sum + items, 0),
      demoPictures.length,
    );
    assert.equal(texts!.items, 3);
    for (const { device, items, failed, waits, seconds, splits } of batches) {
      assert.deepEqual([device, failed, splits], ["cpu", 0, 0]);
      assert.equal(waits.length, items);
      for (const value of [...waits, seconds]) assert.ok(value >= 0 && value < 60, String(value));
      assert.ok(seconds > 0);
    }
    assert.equal(preparations.length, demoPictures.length);
    for (const { seconds, failed } of preparations) {
      assert.ok(seconds > 0 && seconds < 60, String(seconds));
      assert.equal(failed, false);
    }
  });

  it("a beam takes a row of the batch", async () => {
    const { BlipModel } = await withFaults();
    await using blip = await BlipModel.load("demo", { device: "cpu", dtype: "float32", maxBatchSize: 6 });
    for (const [options, most] of [
      [{}, 6],
      [{ numBeams: 3 }, 2],
      [{ doSample: true, numReturnSequences: 2, seed: 1 }, 3],
      [{ numBeams: 10 }, 1],
    ] as const) {
      batches = [];
      await blip.caption(demoPictures.slice(0, 12), { ...options, maxLength: 6 });
      assert.equal(Math.max(...batches.map(({ items }) => items)), most, JSON.stringify(options));
    }
  });

  it("a picture that cannot be read is told", async () => {
    await assert.rejects(clip.encodeImages([Buffer.from("no picture")]));
    assert.deepEqual(
      preparations.map(({ failed }) => failed),
      [true],
    );
    assert.equal(batches.length, 0);
  });

  it("a batch that was split says so, and one that failed too", async () => {
    faults.armFault("out-of-memory", 1);
    await clip.encodeTexts(["one", "two", "three"]);
    assert.deepEqual(
      batches.map(({ items, failed, splits }) => [items, failed, splits]),
      [[3, 0, 1]],
    );
    batches = [];
    faults.armFault("runtime-error", 1);
    await assert.rejects(clip.encodeTexts(["one", "two"]));
    assert.deepEqual(
      batches.map(({ items, failed, splits }) => [items, failed, splits]),
      [[2, 2, 0]],
    );
  });
});
