import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { demoPictures } from "../library/models.js";
import { FATAL, withFaults } from "./addon.js";

// One fault a process: a device that is lost stays lost for every model and every thread of this one.
describe("a device that fails for good", () => {
  it("rejects everything that waits and everything that comes, without a retry", async () => {
    const { BlipModel, ClipModel, faults } = await withFaults();
    const [kind] = FATAL;
    const clip = await ClipModel.load("demo", { device: "cpu", dtype: "float32", maxBatchSize: 2 });
    const blip = await BlipModel.load("demo", { device: "cpu", dtype: "float32" });
    faults.armFault(kind, 1);
    const results = await Promise.allSettled([
      ...demoPictures.map((picture) => clip.encodeImages([picture])),
      blip.caption(demoPictures),
    ]);
    assert.equal(faults.faultsFired(), 1);
    assert.equal(faults.deviceRuns(), 1, "nothing runs on a lost device");
    for (const result of results) {
      assert.equal(result.status, "rejected");
      assert.equal(result.reason.code, "ERR_DEVICE_LOST");
      assert.match(result.reason.message, /restart the process/);
    }
    const started = performance.now();
    await assert.rejects(clip.encodeTexts(["a star"]), { code: "ERR_DEVICE_LOST" });
    await assert.rejects(clip.probe(), { code: "ERR_DEVICE_LOST" });
    await assert.rejects(ClipModel.load("demo", { device: "cpu" }), { code: "ERR_DEVICE_LOST" });
    assert.ok(performance.now() - started < 500);
    await clip.close();
    await blip.close();
  });
});
