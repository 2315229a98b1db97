import assert from "node:assert/strict";
import { setImmediate as settled } from "node:timers/promises";
import { afterEach, beforeEach, describe, it, vi } from "vitest";
import { Admission } from "../../lib/engine/admission.js";
import { DeviceQueue } from "../../lib/engine/device-queue.js";
import { type HostOptions, ModelHost } from "../../lib/engine/host.js";
import type { CacheRelease, ModuleHandle, NativeErrorCode } from "../../lib/native/types.js";
import { localTurns, TestOperation } from "./support/engine.js";

const nativeError = (code: NativeErrorCode) => Object.assign(new Error(`the native text of ${code}`), { code });

/** A host over an addon that keeps a diary. */
function fakeHost(options: Partial<HostOptions> = {}) {
  const diary: string[] = [];
  const turns = localTurns();
  const queue = new DeviceQueue(turns);
  const host = new ModelHost({
    native: {
      emptyCache: async () => void diary.push("empty cache"),
      unloadModule: async () => void diary.push("unload"),
    },
    device: "fake",
    queue,
    load: async () => {
      diary.push("load");
      return {} as ModuleHandle;
    },
    measureBudget: () => 1000,
    releaseCache: "after-call",
    isBusy: () => false,
    ...options,
  });
  /** A call that has its turn like any other. */
  const call = (work: () => Promise<unknown> = async () => {}) =>
    queue.run(() =>
      host.call(async (_module, { releaseCache }) => {
        diary.push(`run, ${releaseCache}`);
        await work();
      }),
    );
  return { diary, turns, queue, host, call };
}

/** An operation that runs numbers, two at a time, on a host. */
function fakeOperation(releaseCache: CacheRelease, failing?: NativeErrorCode) {
  const fake = fakeHost({ releaseCache });
  let failures = failing ? 1 : 0;
  const context = { device: "fake", host: fake.host, queue: fake.queue, admission: new Admission(1000) };
  const operation = new TestOperation<number, number>(context, 2, {
    run: async (_module, items) => {
      fake.diary.push(`run ${items.length}`);
      await settled();
      if (failures-- > 0) throw nativeError(failing!);
      return { values: items, peakBytes: 10 };
    },
    sample: () => 0,
  });
  return { ...fake, operation };
}

describe("the cache of the device", () => {
  it("every call is told when it goes", async () => {
    for (const releaseCache of ["after-call", "when-idle", "on-out-of-memory"] as const) {
      const { diary, host, call } = fakeHost({ releaseCache });
      await call();
      await call();
      assert.deepEqual(diary, ["load", `run, ${releaseCache}`, `run, ${releaseCache}`]);
      assert.equal(host.state, "loaded");
    }
  });

  it("on-out-of-memory: it stays until memory runs out", async () => {
    const { diary, operation } = fakeOperation("on-out-of-memory", "OUT_OF_MEMORY");
    await operation.pipeline.map([1, 2]);
    await operation.pipeline.map([3, 4]);
    await settled();
    assert.deepEqual(diary, ["load", "run 2", "empty cache", "run 1", "run 1", "run 1", "run 1"]);
  });

  it("goes with the weights whatever the policy", async () => {
    for (const releaseCache of ["after-call", "when-idle", "on-out-of-memory"] as const) {
      const { diary, host } = fakeHost({ releaseCache });
      await host.ensureLoaded();
      await host.unload();
      assert.deepEqual(diary, ["load", "unload", "empty cache"]);
    }
  });

  it("does not fail a call when it cannot be released", async () => {
    const emptyCache = async () => {
      throw nativeError("INTERNAL");
    };
    const { host, call } = fakeHost({ native: { emptyCache, unloadModule: async () => {} } });
    await call();
    await assert.rejects(
      call(async () => {
        throw nativeError("OUT_OF_MEMORY");
      }),
      { code: "ERR_OUT_OF_MEMORY" },
    );
    await host.close();
  });

  it("tells all that the device is lost when releasing it says so", async () => {
    const emptyCache = async () => {
      throw nativeError("DEVICE_LOST");
    };
    const { call, turns } = fakeHost({ native: { emptyCache, unloadModule: async () => {} } });
    await assert.rejects(
      call(async () => {
        throw nativeError("OUT_OF_MEMORY");
      }),
      { code: "ERR_OUT_OF_MEMORY" },
    );
    assert.equal(turns.lostReason(), "the native text of DEVICE_LOST");
    await assert.rejects(call(), { code: "ERR_DEVICE_LOST" });
  });
});

describe("the budget", () => {
  it("is measured when the weights come, come back, and at each probe", async () => {
    let free = 1000;
    const { host, queue } = fakeHost({ measureBudget: () => free });
    await host.ensureLoaded();
    assert.equal(host.budget, 1000);
    free = 500;
    await host.ensureLoaded();
    assert.equal(host.budget, 1000, "not at each call");
    assert.equal(await queue.run(() => host.measureBudget()), 500);
    await host.unload();
    free = 200;
    await host.ensureLoaded();
    assert.equal(host.budget, 200);
  });

  it("shrinks the batches of a device whose allocator does not keep to it", async () => {
    const sizes: number[] = [];
    const { host, queue } = fakeHost({ measureBudget: () => 40 });
    const context = { device: "fake", host, queue, admission: new Admission(1000) };
    const operation = new TestOperation<number, number>(context, 8, {
      run: async (_module, items) => {
        sizes.push(items.length);
        return { values: items, peakBytes: 10 * items.length };
      },
      sample: () => 0,
    });
    assert.deepEqual(await operation.pipeline.map([1, 2, 3, 4, 5, 6, 7, 8]), [1, 2, 3, 4, 5, 6, 7, 8]);
    await operation.pipeline.map([1, 2, 3, 4, 5, 6, 7, 8]);
    assert.deepEqual(sizes, [8, 4, 4]);
  });
});

describe("a device that fails for good", () => {
  it("is lost for every model on it, and nothing runs on it again", async () => {
    const { diary, call, queue, host } = fakeHost();
    const other = fakeHost({ queue });
    const failing = call(async () => {
      throw nativeError("DEVICE_LOST");
    });
    const waiting = [call(), other.host.ensureLoaded(), host.ensureLoaded()];
    await assert.rejects(failing, (error: Error & { code?: string }) => {
      assert.equal(error.code, "ERR_DEVICE_LOST");
      assert.equal((error.cause as Error).message, "the native text of DEVICE_LOST");
      return true;
    });
    for (const result of await Promise.allSettled(waiting)) {
      assert.equal(result.status, "rejected");
      assert.equal(result.reason.code, "ERR_DEVICE_LOST");
      assert.equal(result.reason.cause.message, "the native text of DEVICE_LOST");
    }
    assert.deepEqual(diary, ["load", "run, after-call"]);
    await host.unload();
    await host.close();
    assert.deepEqual(diary.slice(2), ["unload", "empty cache"], "the weights can still be given up");
  });

  it("is noticed while weights are loaded or memory is measured, too", async () => {
    const lose = () => {
      throw nativeError("DEVICE_LOST");
    };
    for (const options of [{ load: async () => lose() }, { measureBudget: lose }]) {
      const { host, turns, call } = fakeHost(options);
      await assert.rejects(host.ensureLoaded(), { code: "ERR_DEVICE_LOST" });
      assert.ok(turns.lostReason());
      await assert.rejects(call(), { code: "ERR_DEVICE_LOST" });
    }
  });
});

describe("the weights", () => {
  it("wait for the call that runs before they leave", async () => {
    const { diary, call, host } = fakeHost();
    let finish = () => {};
    const running = call(
      () =>
        new Promise<void>((resolve) => {
          finish = resolve;
        }),
    );
    await settled();
    const unloading = host.unload();
    await settled();
    assert.deepEqual(diary, ["load", "run, after-call"]);
    finish();
    await running;
    await unloading;
    assert.deepEqual(diary.slice(2), ["unload", "empty cache"]);
    assert.equal(host.state, "unloaded");
  });

  it("are taken away again when the model is closed while they come", async () => {
    let arrive = (_module: ModuleHandle) => {};
    const { diary, host } = fakeHost({
      load: () =>
        new Promise((resolve) => {
          arrive = resolve;
        }),
    });
    const loading = host.ensureLoaded();
    const closing = host.close();
    arrive({} as ModuleHandle);
    await assert.rejects(loading, { code: "ERR_CLOSED" });
    await closing;
    assert.deepEqual(diary, ["unload", "empty cache"]);
    await assert.rejects(host.ensureLoaded(), { code: "ERR_CLOSED" });
  });

  it("may fail to come, and come later", async () => {
    let fails = true;
    const { host, call } = fakeHost({
      load: async () => {
        if (fails) throw nativeError("OUT_OF_MEMORY");
        return {} as ModuleHandle;
      },
    });
    await assert.rejects(call(), { code: "ERR_OUT_OF_MEMORY" });
    assert.equal(host.state, "unloaded");
    fails = false;
    await call();
    assert.equal(host.state, "loaded");
  });
});

describe("the idle time-out", () => {
  const options = { idleUnload: 1000 };
  beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] }));
  afterEach(() => void vi.useRealTimers());

  it("unloads after that time without a call, and each call begins it anew", async () => {
    const { host, call } = fakeHost(options);
    await host.ensureLoaded();
    vi.advanceTimersByTime(999);
    await call();
    vi.advanceTimersByTime(999);
    await settled();
    assert.equal(host.state, "loaded");
    vi.advanceTimersByTime(1);
    await settled();
    assert.equal(host.state, "unloaded");
    await call();
    assert.equal(host.state, "loaded");
    vi.advanceTimersByTime(1000);
    await settled();
    assert.equal(host.state, "unloaded");
  });

  it("does not run while a call runs, nor while its items are being prepared", async () => {
    let busy = true;
    const { host, call, diary } = fakeHost({ ...options, isBusy: () => busy });
    await call(async () => void vi.advanceTimersByTime(5000));
    vi.advanceTimersByTime(1000);
    await settled();
    assert.equal(host.state, "loaded");
    busy = false;
    vi.advanceTimersByTime(1000);
    await settled();
    assert.equal(host.state, "unloaded");
    assert.equal(diary.filter((line) => line === "unload").length, 1);
  });

  it("gives way to a call that came while it waited for its turn", async () => {
    const { host, call, queue, diary } = fakeHost(options);
    await host.ensureLoaded();
    let finish = () => {};
    const other = queue.run(
      () =>
        new Promise<void>((resolve) => {
          finish = resolve;
        }),
    );
    const next = call();
    vi.advanceTimersByTime(1000);
    finish();
    await Promise.all([other, next]);
    await settled();
    assert.deepEqual(diary, ["load", "run, after-call"]);
    assert.equal(host.state, "loaded");
  });

  it("rejects nothing that nobody waits for when unloading fails", async () => {
    const unloadModule = async () => {
      throw nativeError("INTERNAL");
    };
    const { host } = fakeHost({ ...options, native: { emptyCache: async () => {}, unloadModule } });
    await host.ensureLoaded();
    vi.advanceTimersByTime(1000);
    await settled();
    assert.equal(host.state, "unloaded");
  });

  it("ends with the model", async () => {
    const { host, diary } = fakeHost(options);
    await host.ensureLoaded();
    await host.close();
    vi.advanceTimersByTime(5000);
    await settled();
    assert.deepEqual(diary, ["load", "unload", "empty cache"]);
  });
});
