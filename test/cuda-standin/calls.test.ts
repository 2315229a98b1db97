import assert from "node:assert/strict";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { it } from "vitest";
import { runProgram } from "./program.js";
import { anotherThan, describeEach, program } from "./suite.js";

describeEach("calls on the stand-in", (standin) => {
  it("run, are recorded and replayed, and leave nothing", async (t) => {
    const lines = await runProgram(standin, program("demo"));
    const [first, second, third, loaded, closed] = lines as Record<string, number>[];
    for (const answers of [first, second, third]) assert.deepEqual(answers, { vectors: 4, captions: 2 });
    t.annotate(JSON.stringify(loaded));
    assert.equal(loaded!.dtype, "float16");
    assert.ok(loaded!.captures! > 0 && loaded!.graphs_alive! > 0 && loaded!.graph_launches! > loaded!.graphs_alive!);
    assert.equal(loaded!.refused_captures! + loaded!.violations!, 0);
    assert.deepEqual([closed!.used_bytes, closed!.host_bytes, closed!.graphs_alive], [0, 0, 0]);
  });

  it("keep float32 as it is, unless LibTorch is told to round it to TF32, and wake no cuDNN", async () => {
    const [exact] = await runProgram<Record<string, number>>(standin, program("float32"));
    assert.ok(exact!.product_calls! > 0);
    assert.deepEqual([exact!.tf32_products, exact!.cudnn_calls], [0, 0]);
    const env = { TORCH_ALLOW_TF32_CUBLAS_OVERRIDE: "1" };
    const [rounded] = await runProgram<Record<string, number>>(standin, program("float32"), [], { env });
    assert.ok(rounded!.tf32_products! > 0);
  });

  it("do without graphs where clip_blip_cuda.so is of another LibTorch", async (t) => {
    const other = anotherThan(standin);
    if (!other) return t.skip("There is no other release of LibTorch on this machine.");
    const folder = mkdtempSync(join(tmpdir(), "clip-blip-standin-"));
    try {
      const release = join("build", "Release");
      cpSync(join(standin.prebuild, release), join(folder, release), { recursive: true });
      const object = join(release, "clip_blip_cuda.so");
      cpSync(join(other.prebuild, object), join(folder, object));
      const lines = await runProgram(standin, program("demo"), [], { env: { CLIP_BLIP_PREBUILD: folder } });
      const [first, , , loaded] = lines as Record<string, number>[];
      assert.deepEqual(first, { vectors: 4, captions: 2 });
      assert.deepEqual([loaded!.captures, loaded!.graph_launches], [0, 0]);
      assert.ok(loaded!.launches! > 0);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
