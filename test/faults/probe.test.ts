import assert from "node:assert/strict";
import { beforeAll, describe, it } from "vitest";
import { type Faults, withFaults } from "./addon.js";

describe("probe and warm-up, by the runs that they take", () => {
  let library: Awaited<ReturnType<typeof withFaults>>;
  let faults: Faults;
  const options = { device: "cpu", dtype: "float32" } as const;
  /** Runs of a module's methods during some work. */
  const runsOf = async (work: () => Promise<unknown>) => {
    faults.armFault("out-of-memory", 0);
    await work();
    return faults.deviceRuns();
  };

  beforeAll(async () => {
    library = await withFaults();
    ({ faults } = library);
  });

  it("a model is probed once, whatever the number of its loads, and by few runs", async () => {
    const models: { close(): Promise<void> }[] = [];
    const load = async (memoryLimit: number) =>
      models.push(await library.ClipModel.load("demo", { ...options, memoryLimit }));
    const first = await runsOf(() => load(50_000_000));
    // Two operations, each with batches of 1, 2, 4, 8 and 16 at most.
    assert.ok(first >= 4 && first <= 10, String(first));
    assert.equal(await runsOf(() => load(50_000_000)), 0);
    assert.ok((await runsOf(() => load(40_000_000))) > 0, "another limit is another probe");
    for (const model of models) await model.close();
  });

  it("warmup runs every bucket once, and loads what was unloaded", async () => {
    await using clip = await library.ClipModel.load("demo", { ...options, maxBatchSize: 6 });
    await clip.unload();
    // 1, 2, 4 and 6, for pictures and for texts.
    assert.equal(await runsOf(() => clip.warmup()), 8);
    assert.equal(clip.capabilities().state, "loaded");
  });

  it("warmup ends at the bucket that does not fit", async () => {
    await using clip = await library.ClipModel.load("demo", { ...options, maxBatchSize: 5 });
    faults.armFault("out-of-memory", 3);
    await clip.warmup();
    assert.equal(faults.faultsFired(), 1);
    // Of the pictures 1, 2 and 4, of the texts 1, 2, 4 and 5.
    assert.equal(faults.deviceRuns(), 7);
  });

  it("a load that is aborted amid its probe rejects with the reason and leaves nothing behind", async () => {
    const modules = library.binding.liveModules();
    const controller = new AbortController();
    const loading = library.BlipModel.load("demo", {
      ...options,
      memoryLimit: 60_000_000,
      signal: controller.signal,
      onProgress: ({ phase }) => {
        if (phase === "probe") controller.abort("not needed any more");
      },
    });
    await assert.rejects(loading, (reason) => reason === "not needed any more");
    assert.equal(library.binding.liveModules(), modules);
  });

  it("close ends a probe that runs", async () => {
    const clip = await library.ClipModel.load("demo", options);
    const probing = clip.probe();
    const closing = clip.close();
    await assert.rejects(probing, { code: "ERR_CLOSED" });
    await closing;
    assert.equal(clip.capabilities().state, "closed");
  });

  it("an error that is not about memory fails the load, and the next one works", async () => {
    faults.armFault("runtime-error", 1);
    const limited = { ...options, memoryLimit: 70_000_000 };
    await assert.rejects(library.ClipModel.load("demo", limited), { code: "ERR_INTERNAL" });
    assert.equal(faults.faultsFired(), 1);
    await using clip = await library.ClipModel.load("demo", limited);
    assert.equal((await clip.encodeTexts(["a star"])).length, 1);
  });

  it("a probe that runs out of memory finds a smaller batch", async () => {
    faults.armFault("out-of-memory", 4);
    await using clip = await library.ClipModel.load("demo", { ...options, memoryLimit: 80_000_000 });
    assert.equal(faults.faultsFired(), 1);
    assert.ok(clip.capabilities().safeBatchSize >= 1);
  });
});
