import assert from "node:assert/strict";
import { afterEach, before, describe, it } from "node:test";
import { type Faults, OTHER, OUT_OF_MEMORY, withFaults } from "./addon.js";

const DEVICE = "testing:0";
const CAPACITY = 1000;

// What surrounds every call on an accelerator, on one that is made of host memory: the CPU's allocator keeps no cache.
describe("a call on a device with a caching allocator", () => {
  let faults: Faults;
  let binding: Awaited<ReturnType<typeof withFaults>>["binding"];

  before(async () => {
    ({ faults, binding } = await withFaults());
    faults.installCachingDevice(CAPACITY);
  });
  afterEach(async () => {
    faults.breakCachingDevice(false);
    await binding.emptyCache(DEVICE);
  });

  const cached = () => binding.memory(DEVICE).reserved - binding.memory(DEVICE).allocated;
  const fails = (blocks: number[], releaseCache: boolean, fault: string, code: string) =>
    assert.throws(() => faults.callOnCachingDevice(blocks, releaseCache, fault), { code });

  it("leaves memory behind without the guard, and none with it", () => {
    faults.callOnCachingDevice([100, 200], false, "");
    assert.equal(cached(), 300);
    faults.callOnCachingDevice([100], false, "");
    assert.equal(cached(), 300, "reused");
    faults.callOnCachingDevice([50], true, "");
    assert.equal(cached(), 0);
    assert.equal(binding.memory(DEVICE).reserved, 0);
  });

  it("leaves none when it fails, either, whatever with", () => {
    for (const [kinds, code] of [
      [OUT_OF_MEMORY, "OUT_OF_MEMORY"],
      [OTHER, "INTERNAL"],
    ] as const) {
      for (const kind of kinds) {
        fails([100, 200], false, kind, code);
        assert.equal(cached(), 300, `${kind} without the guard`);
        fails([100, 200], true, kind, code);
        assert.equal(cached(), 0, kind);
        assert.equal(binding.memory(DEVICE).allocated, 0, "no exception holds a block");
      }
    }
  });

  it("runs out where the device ends, and the next call works", () => {
    fails([600, 600], true, "", "OUT_OF_MEMORY");
    assert.equal(binding.memory(DEVICE).reserved, 0);
    assert.equal(faults.callOnCachingDevice([600, 400], true, ""), 1000);
    // A cache is no reason to run out.
    faults.callOnCachingDevice([600], false, "");
    assert.equal(faults.callOnCachingDevice([900], false, ""), 900);
  });

  it("tells its own peak, and the device keeps the highest of all until it is reset", () => {
    binding.resetPeak(DEVICE);
    assert.equal(faults.callOnCachingDevice([100, 300], true, ""), 400);
    assert.equal(faults.callOnCachingDevice([50], true, ""), 50);
    assert.equal(binding.memory(DEVICE).peak, 400);
    fails([200, 500], true, "runtime-error", "INTERNAL");
    assert.equal(binding.memory(DEVICE).peak, 700, "a call that failed has held it, too");
    binding.resetPeak(DEVICE);
    assert.equal(binding.memory(DEVICE).peak, 0);
  });

  it("tells what is free and what there is in all", async () => {
    assert.deepEqual(binding.memory(DEVICE), { allocated: 0, reserved: 0, peak: 0, free: CAPACITY, total: CAPACITY });
    faults.callOnCachingDevice([400], false, "");
    const { free, reserved, allocated } = binding.memory(DEVICE);
    assert.deepEqual({ free, reserved, allocated }, { free: 600, reserved: 400, allocated: 0 });
    // What is cached can be taken by this process.
    const { devices } = await withFaults();
    assert.equal(devices().find(({ name }) => name === DEVICE)?.memory.free, CAPACITY);
  });

  it("empties the cache once a call, and not at all where it is kept", () => {
    const emptied = faults.cachesEmptied();
    faults.callOnCachingDevice([100], false, "");
    assert.equal(faults.cachesEmptied(), emptied);
    faults.callOnCachingDevice([100], true, "");
    assert.equal(faults.cachesEmptied(), emptied + 1);
    fails([100], true, "bad-alloc", "OUT_OF_MEMORY");
    assert.equal(faults.cachesEmptied(), emptied + 2);
  });

  it("is lost when the device answers nothing after a failure, whatever the failure said", async () => {
    for (const kind of [...OUT_OF_MEMORY, ...OTHER]) {
      faults.breakCachingDevice(true);
      fails([100], true, kind, "DEVICE_LOST");
      // The guard's own failure is not what is heard of.
      fails([100], false, kind, "DEVICE_LOST");
      await assert.rejects(binding.emptyCache(DEVICE));
      faults.breakCachingDevice(false);
      fails([100], true, "runtime-error", "INTERNAL");
    }
    fails([100], true, "illegal-address", "DEVICE_LOST");
  });

  it("keeps its result when the cache cannot be given back", () => {
    faults.breakCachingDevice(true);
    assert.equal(faults.callOnCachingDevice([100], true, ""), 100);
  });
});
