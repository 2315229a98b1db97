import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { setImmediate, setTimeout as sleep } from "node:timers/promises";
import { ClipBlipError, type ClipModel } from "clip-blip";
import { describe, it } from "vitest";
import { native } from "../../dist/native/instance.js";
import { assertSameVectors, demoPictures, loadClip } from "../library/models.js";

const picture = demoPictures[0]!;

const counters = () => ({
  modules: native().liveModules(),
  jobs: native().liveJobs(),
  bytes: native().memory("cpu").allocated,
});

async function collect(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) {
    globalThis.gc!();
    await setImmediate();
  }
}

describe("close", () => {
  it("during a load, through its signal: nothing stays", async () => {
    const before = counters();
    for (const delay of [0, 1, 5, 20, 60, 150, 400]) {
      const controller = new AbortController();
      const loading = loadClip({ signal: controller.signal, memoryLimit: 500_000_000 + delay });
      await sleep(delay);
      controller.abort(new Error("no longer wanted"));
      const outcome = await loading.then(
        (clip) => clip.close(),
        (error: Error) => assert.equal(error.message, "no longer wanted"),
      );
      assert.equal(outcome, undefined);
    }
    assert.deepEqual(counters(), before);
  });

  it("while one call runs and many wait, twice, from two places: each call settles, and nothing stays", async () => {
    const before = counters();
    for (const delay of [0, 1, 3, 10, 30]) {
      const clip = await loadClip({ maxBatchSize: 1 });
      const [expected] = await clip.encodeImages([picture]);
      const calls = Array.from({ length: 50 }, () => clip.encodeImages([picture]));
      const texts = Array.from({ length: 10 }, () => clip.encodeTexts(["a red circle"]));
      const settled = Promise.allSettled([...calls, ...texts]);
      const elsewhere = sleep(delay).then(() => clip[Symbol.asyncDispose]());
      await sleep(delay);
      await Promise.all([clip.close(), clip.close(), elsewhere]);
      for (const [index, result] of (await settled).entries()) {
        if (result.status === "rejected") assert.equal((result.reason as ClipBlipError).code, "ERR_CLOSED");
        else if (index < calls.length) assertSameVectors(result.value, [expected!]);
      }
      assert.deepEqual(counters(), before);
    }
  });

  it("amid unloads, probes and warm-ups", async () => {
    const before = counters();
    const clip = await loadClip({ maxBatchSize: 2 });
    const work = [
      clip.unload(),
      clip.encodeImages([picture]),
      clip.warmup(),
      clip.probe(),
      clip.unload(),
      clip.encodeImages([picture]),
    ];
    const settled = Promise.allSettled(work);
    await sleep(2);
    await clip.close();
    for (const result of await settled) {
      if (result.status === "rejected") assert.equal((result.reason as ClipBlipError).code, "ERR_CLOSED");
    }
    assert.deepEqual(counters(), before);
  });

  it("is not needed for memory to come back: a model that is forgotten is collected", async () => {
    await collect();
    const before = counters();
    await (async () => void (await (await loadClip()).encodeImages([picture])))();
    assert.equal(counters().modules, before.modules + 1);
    await collect();
    assert.deepEqual(counters(), before);
  });

  it("does not cut off the calls of a model that is forgotten while they run", async () => {
    await collect();
    const before = counters();
    await using reference = await loadClip();
    const [expected] = await reference.encodeImages([picture]);
    const calls = await (async () => {
      const clip: ClipModel = await loadClip({ maxBatchSize: 1 });
      return Array.from({ length: 20 }, () => clip.encodeImages([picture]));
    })();
    await collect();
    for (const result of await Promise.all(calls)) assertSameVectors(result, [expected!]);
    calls.length = 0;
    await reference.close();
    await collect();
    assert.equal(counters().modules, before.modules);
  });
});

describe("memory of the caller", () => {
  const width = 64;
  const height = 48;
  const pattern = (index: number) => (index * 7 + (index >> 3)) & 255;
  const fill = (bytes: Uint8Array) => {
    for (let index = 0; index < bytes.length; index++) bytes[index] = pattern(index);
    return bytes;
  };

  const attacks: [string, () => ArrayBuffer | SharedArrayBuffer, (buffer: ArrayBuffer | SharedArrayBuffer) => void][] =
    [
      [
        "transferred",
        () => new ArrayBuffer(width * height * 3),
        (buffer) => void structuredClone(buffer, { transfer: [buffer as ArrayBuffer] }),
      ],
      [
        "shrunk to nothing",
        () => new ArrayBuffer(width * height * 3, { maxByteLength: width * height * 4 }),
        (buffer) => (buffer as ArrayBuffer).resize(0),
      ],
      [
        "grown",
        () => new ArrayBuffer(width * height * 3, { maxByteLength: width * height * 4 }),
        (buffer) => (buffer as ArrayBuffer).resize(width * height * 4),
      ],
      ["overwritten", () => new ArrayBuffer(width * height * 3), (buffer) => new Uint8Array(buffer).fill(0)],
      [
        "shared and overwritten",
        () => new SharedArrayBuffer(width * height * 3),
        (buffer) => new Uint8Array(buffer).fill(255),
      ],
    ];
  for (const [what, allocate, attack] of attacks) {
    it(`that is ${what} during a call does no harm: what was read counts, the rest is a coded error`, async () => {
      await using clip = await loadClip({ maxBatchSize: 4 });
      const pixels = { data: fill(new Uint8Array(width * height * 3)), width, height, channels: 3 as const };
      const call = (count: number) => {
        const buffers = Array.from({ length: count }, allocate);
        const result = clip.encodeImages(buffers.map((buffer) => ({ ...pixels, data: fill(new Uint8Array(buffer)) })));
        for (const buffer of buffers) attack(buffer);
        globalThis.gc!();
        return result;
      };
      const expected = (await clip.encodeImages([pixels]))[0]!;
      // The first two batches are copied before the call returns its promise, what comes behind them when its turn comes.
      assertSameVectors(await call(8), Array(8).fill(expected));
      const outcome = await call(24).catch((error) => error);
      if (outcome instanceof ClipBlipError) {
        assert.equal(outcome.code, "ERR_INVALID_ARGUMENT");
        assert.ok(outcome.index! >= 8);
      } else assertSameVectors(outcome.slice(0, 8), Array(8).fill(expected));
      assertSameVectors(await clip.encodeImages([pixels]), [expected]);
    });
  }

  it("holds for a model that is forgotten and collected while its calls run", async () => {
    await collect();
    const before = counters();
    const pixels = { data: fill(new Uint8Array(width * height * 3)), width, height, channels: 3 as const };
    const expected = await (async () => {
      await using clip = await loadClip();
      return (await clip.encodeImages([pixels]))[0]!;
    })();
    const calls = await (async () => {
      const clip: ClipModel = await loadClip({ maxBatchSize: 4 });
      return attacks.map(([, allocate, attack]) => {
        const buffers = Array.from({ length: 8 }, allocate);
        const call = clip.encodeImages(
          buffers.map((buffer) => ({ ...pixels, data: fill(new Uint8Array(buffer, 0, width * height * 3)) })),
        );
        for (const buffer of buffers) attack(buffer);
        return call.catch((error) => error);
      });
    })();
    await collect();
    for (const outcome of await Promise.all(calls)) {
      if (outcome instanceof ClipBlipError) assert.equal(outcome.code, "ERR_INVALID_ARGUMENT");
      else assert.equal(outcome.length, 8);
    }
    // The first call's were copied before it returned its promise.
    assertSameVectors(await calls[0]!, Array(8).fill(expected));
    calls.length = 0;
    await collect();
    assert.equal(counters().modules, before.modules);
  });

  it("holds for encoded pictures, too", async () => {
    await using clip = await loadClip({ maxBatchSize: 4 });
    const bytes = readFileSync(picture);
    const [expected] = await clip.encodeImages([picture]);
    const call = (count: number) => {
      const buffers = Array.from({ length: count }, () => Uint8Array.from(bytes).buffer);
      const result = clip.encodeImages(buffers);
      for (const buffer of buffers) structuredClone(buffer, { transfer: [buffer] });
      globalThis.gc!();
      return result;
    };
    assertSameVectors(await call(8), Array(8).fill(expected));
    await assert.rejects(call(24), { name: "ClipBlipError", code: "ERR_IMAGE_DECODE" });
    assertSameVectors(await clip.encodeImages([picture]), [expected!]);
  });
});
