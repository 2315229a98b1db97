import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, it } from "vitest";
// The addon that the library below uses: the sources under lib/ would be a second copy.
import { native } from "../../dist/native/instance.js";
import { assertSameVectors, demoPictures, loadBlip, loadClip, repositoryPath } from "./models.js";

const picture = demoPictures[0]!;

describe("the life of a model", () => {
  it("unloads to the byte, and the next call brings the weights back", async () => {
    await using other = await loadBlip();
    const before = other.capabilities().memory.allocated;
    const clip = await loadClip();
    const [first] = await clip.encodeImages([picture]);
    assert.ok(clip.capabilities().memory.allocated > before);
    await clip.unload();
    assert.equal(clip.capabilities().state, "unloaded");
    assert.equal(clip.capabilities().memory.allocated, before);
    const [second] = await clip.encodeImages([picture]);
    assert.equal(clip.capabilities().state, "loaded");
    assertSameVectors([second!], [first!]);
    await clip.close();
    assert.equal(other.capabilities().memory.allocated, before);
  });

  it("unloads and comes back 200 times without growth", async () => {
    await using clip = await loadClip();
    await clip.unload();
    const { allocated } = clip.capabilities().memory;
    const modules = native().liveModules();
    const resident: number[] = [];
    for (let round = 0; round < 200; round++) {
      await clip.encodeTexts(["a red circle"]);
      assert.ok(clip.capabilities().memory.allocated > allocated);
      await clip.unload();
      assert.equal(clip.capabilities().memory.allocated, allocated, `round ${round}`);
      assert.equal(native().liveModules(), modules, `round ${round}`);
      if (round % 10 !== 9) continue;
      globalThis.gc!();
      resident.push(process.memoryUsage.rss());
    }
    // The first rounds fill the caches of malloc and oneDNN. One kept copy of the weights a round would be 300 MB.
    const [early, late] = [Math.max(...resident.slice(5, 10)), Math.max(...resident.slice(15))];
    assert.ok(late - early < 32 * 1024 ** 2, `${(late - early) / 1024 ** 2} MiB more after 100 rounds`);
  });

  it("loads and closes 20 models without a trace", async () => {
    const { allocated } = native().memory("cpu");
    const modules = native().liveModules();
    for (let round = 0; round < 10; round++) {
      const [clip, blip] = await Promise.all([loadClip(), loadBlip()]);
      await Promise.all([clip.encodeTexts(["a red circle"]), blip.close()]);
      await clip.close();
      assert.equal(native().memory("cpu").allocated, allocated, `round ${round}`);
    }
    assert.equal(native().liveModules(), modules);
  });

  it("unloads by itself after a while without calls", async () => {
    await using clip = await loadClip({ idleUnload: 50 });
    assert.equal(clip.capabilities().state, "loaded");
    while (clip.capabilities().state !== "unloaded") await sleep(5);
    assert.equal((await clip.encodeImages([picture])).length, 1);
  });

  it("closes once, rejects what waits, finishes what runs, refuses what comes", async () => {
    const clip = await loadClip({ maxBatchSize: 1 });
    const calls = Array.from({ length: 20 }, () => clip.encodeImages([picture]));
    const settled = Promise.allSettled(calls);
    await sleep(5);
    const closing = clip.close();
    assert.equal(clip.close(), closing);
    await closing;
    const results = await settled;
    for (const result of results) {
      if (result.status === "rejected") assert.equal(result.reason.code, "ERR_CLOSED");
    }
    assert.ok(results.some((result) => result.status === "rejected"));
    assert.equal(clip.capabilities().state, "closed");
    await assert.rejects(clip.encodeImages([picture]), { code: "ERR_CLOSED" });
    await assert.rejects(clip.unload(), { code: "ERR_CLOSED" });
    await clip.close();
  });

  it("is closed by `await using`", async () => {
    let escaped: Awaited<ReturnType<typeof loadClip>>;
    {
      await using clip = await loadClip();
      escaped = clip;
    }
    assert.equal(escaped.capabilities().state, "closed");
  });

  it("refuses calls when too many items wait", async () => {
    await using clip = await loadClip({ maxQueue: 8, maxBatchSize: 1 });
    const calls = Array.from({ length: 50 }, () => clip.encodeImages([picture]));
    const started = performance.now();
    const results = await Promise.allSettled(calls);
    const refused = results.filter((result) => result.status === "rejected");
    assert.ok(refused.length >= 40, String(refused.length));
    for (const result of refused) assert.equal((result as PromiseRejectedResult).reason.code, "ERR_QUEUE_FULL");
    assert.ok(performance.now() - started < 20_000);
    assert.equal((await clip.encodeImages([picture])).length, 1);
  });

  it("survives a memory limit: large calls are split, and what cannot fit fails alone", async () => {
    await using free = await loadClip();
    const expected = await free.encodeImages(demoPictures);
    const { bytesPerItem } = free.capabilities();
    await using tight = await loadClip({ memoryLimit: bytesPerItem * 4 });
    assert.ok(tight.capabilities().safeBatchSize <= 8);
    assert.equal((await tight.encodeImages(demoPictures)).length, expected.length);
    await assert.rejects(loadClip({ memoryLimit: 1000 }), { code: "ERR_OUT_OF_MEMORY" });
    assert.equal((await free.encodeImages([picture])).length, 1);
  });

  it("stops a load that is aborted", async () => {
    await assert.rejects(loadClip({ signal: AbortSignal.abort("no") }), (reason) => reason === "no");
  });

  for (const [what, script] of [
    ["an open model does not keep the process alive", ""],
    [
      "process.exit with a call running",
      "void clip.encodeImages(Array(50).fill(picture)); setTimeout(() => process.exit(0), 20);",
    ],
    ["an idle timer does not keep the process alive", "await clip.encodeImages([picture]);"],
  ] as const) {
    it(`ends cleanly: ${what}`, () => {
      const program = `
        import { ClipModel } from "clip-blip";
        const picture = ${JSON.stringify(picture)};
        const clip = await ClipModel.load("demo", { device: "cpu", idleUnload: 60000 });
        ${script}`;
      const { status, signal, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", program], {
        cwd: repositoryPath("."),
        encoding: "utf8",
        timeout: 30_000,
      });
      assert.equal(signal, null, stderr);
      assert.equal(status, 0, stderr);
    });
  }
});
