import assert from "node:assert/strict";
import { setTimeout } from "node:timers/promises";
import { afterEach, beforeAll, describe, it } from "vitest";
import type { CacheRelease } from "../../lib/native/types.js";
import { type Faults, OTHER, OUT_OF_MEMORY, withFaults } from "./addon.js";

const DEVICE = "testing:0";
const CAPACITY = 1000;

// What surrounds every call on an accelerator, on one that is made of host memory: the CPU's allocator keeps no cache.
describe("a call on a device with a caching allocator", () => {
  let faults: Faults;
  let binding: Awaited<ReturnType<typeof withFaults>>["binding"];

  beforeAll(async () => {
    ({ faults, binding } = await withFaults());
    faults.installCachingDevice(CAPACITY);
  });
  afterEach(async () => {
    faults.breakCachingDevice(false);
    await binding.emptyCache(DEVICE);
  });

  const cached = () => binding.memory(DEVICE).reserved - binding.memory(DEVICE).allocated;
  const fails = (blocks: number[], releaseCache: CacheRelease, fault: string, code: string) =>
    assert.throws(() => faults.callOnCachingDevice(blocks, releaseCache, fault), { code });

  it("leaves memory behind without the guard, and none with it", () => {
    faults.callOnCachingDevice([100, 200], "on-out-of-memory", "");
    assert.equal(cached(), 300);
    faults.callOnCachingDevice([100], "on-out-of-memory", "");
    assert.equal(cached(), 300, "reused");
    faults.callOnCachingDevice([50], "after-call", "");
    assert.equal(cached(), 0);
    assert.equal(binding.memory(DEVICE).reserved, 0);
  });

  it("leaves none when it fails, either, whatever with", () => {
    for (const [kinds, code] of [
      [OUT_OF_MEMORY, "OUT_OF_MEMORY"],
      [OTHER, "INTERNAL"],
    ] as const) {
      for (const kind of kinds) {
        fails([100, 200], "on-out-of-memory", kind, code);
        assert.equal(cached(), 300, `${kind} without the guard`);
        fails([100, 200], "after-call", kind, code);
        assert.equal(cached(), 0, kind);
        assert.equal(binding.memory(DEVICE).allocated, 0, "no exception holds a block");
      }
    }
  });

  it("leaves none when the device is idle, however it ended", async () => {
    for (const fault of ["", "runtime-error"]) {
      const emptied = faults.cachesEmptied();
      if (fault) fails([100, 200], "when-idle", fault, "INTERNAL");
      else faults.callOnCachingDevice([100, 200], "when-idle", fault);
      while (faults.cachesEmptied() === emptied) await setTimeout(1);
      assert.equal(cached(), 0);
    }
  });

  it("runs out where the device ends, and the next call works", () => {
    fails([600, 600], "after-call", "", "OUT_OF_MEMORY");
    assert.equal(binding.memory(DEVICE).reserved, 0);
    assert.equal(faults.callOnCachingDevice([600, 400], "after-call", ""), 1000);
    // A cache is no reason to run out.
    faults.callOnCachingDevice([600], "on-out-of-memory", "");
    assert.equal(faults.callOnCachingDevice([900], "on-out-of-memory", ""), 900);
  });

  it("tells its own peak, and the device keeps the highest of all until it is reset", () => {
    binding.resetPeak(DEVICE);
    assert.equal(faults.callOnCachingDevice([100, 300], "after-call", ""), 400);
    assert.equal(faults.callOnCachingDevice([50], "after-call", ""), 50);
    assert.equal(binding.memory(DEVICE).peak, 400);
    fails([200, 500], "after-call", "runtime-error", "INTERNAL");
    assert.equal(binding.memory(DEVICE).peak, 700, "a call that failed has held it, too");
    binding.resetPeak(DEVICE);
    assert.equal(binding.memory(DEVICE).peak, 0);
  });

  it("tells what is free and what there is in all", async () => {
    assert.deepEqual(binding.memory(DEVICE), {
      allocated: 0,
      reserved: 0,
      peak: 0,
      heldByGraphs: 0,
      free: CAPACITY,
      total: CAPACITY,
    });
    faults.callOnCachingDevice([400], "on-out-of-memory", "");
    const { free, reserved, allocated } = binding.memory(DEVICE);
    assert.deepEqual({ free, reserved, allocated }, { free: 600, reserved: 400, allocated: 0 });
    // What is cached can be taken by this process.
    const { devices } = await withFaults();
    assert.equal(devices().find(({ name }) => name === DEVICE)?.memory.free, CAPACITY);
  });

  it("empties the cache once a call, and not at all where it is kept", () => {
    const emptied = faults.cachesEmptied();
    faults.callOnCachingDevice([100], "on-out-of-memory", "");
    assert.equal(faults.cachesEmptied(), emptied);
    faults.callOnCachingDevice([100], "after-call", "");
    assert.equal(faults.cachesEmptied(), emptied + 1);
    fails([100], "after-call", "bad-alloc", "OUT_OF_MEMORY");
    assert.equal(faults.cachesEmptied(), emptied + 2);
  });

  it("is lost when the device answers nothing after a failure, whatever the failure said", async () => {
    for (const kind of [...OUT_OF_MEMORY, ...OTHER]) {
      faults.breakCachingDevice(true);
      fails([100], "after-call", kind, "DEVICE_LOST");
      // The guard's own failure is not what is heard of.
      fails([100], "on-out-of-memory", kind, "DEVICE_LOST");
      await assert.rejects(binding.emptyCache(DEVICE));
      faults.breakCachingDevice(false);
      fails([100], "after-call", "runtime-error", "INTERNAL");
    }
    fails([100], "after-call", "illegal-address", "DEVICE_LOST");
  });

  it("keeps its result when the cache cannot be given back", () => {
    faults.breakCachingDevice(true);
    assert.equal(faults.callOnCachingDevice([100], "after-call", ""), 100);
  });
});
