import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BlipModel, ClipModel, exportCheckpoint } from "clip-blip";
import { afterAll, beforeAll, describe, it } from "vitest";
import { assertSameVectors, demoPictures, repositoryPath } from "./models.js";
import { writeRandomClip } from "./random-checkpoint.js";

describe("exporting", () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "clip-blip-export-"));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it("makes one file that gives the same vectors as the checkpoint", async () => {
    const archive = join(folder, "clip.pt");
    await exportCheckpoint(repositoryPath("models/demo-clip"), archive);
    await using fromArchive = await ClipModel.load(archive, { device: "cpu", dtype: "float32" });
    await using fromCheckpoint = await ClipModel.load("demo", { device: "cpu", dtype: "float32" });
    assertSameVectors(await fromArchive.encodeImages(demoPictures), await fromCheckpoint.encodeImages(demoPictures));
    assertSameVectors(await fromArchive.encodeTexts(["a star"]), await fromCheckpoint.encodeTexts(["a star"]));
  });

  it("makes one file that writes the same captions as the checkpoint", async () => {
    const archive = join(folder, "blip.pt");
    await exportCheckpoint(repositoryPath("models/demo-blip"), archive);
    await using fromArchive = await BlipModel.load(archive, { device: "cpu", dtype: "float32" });
    await using fromCheckpoint = await BlipModel.load("demo", { device: "cpu", dtype: "float32" });
    const tokenIds = async (blip: BlipModel) => (await blip.caption(demoPictures)).map((caption) => caption.tokenIds);
    assert.deepEqual(await tokenIds(fromArchive), await tokenIds(fromCheckpoint));
  });

  it("leaves only the archive behind, and nothing when aborted", async () => {
    const before = readdirSync(folder);
    const reason = new Error("no");
    const path = join(folder, "aborted.pt");
    await assert.rejects(
      exportCheckpoint(repositoryPath("models/demo-clip"), path, { signal: AbortSignal.abort(reason) }),
      (error) => error === reason,
    );
    assert.deepEqual(readdirSync(folder), before);
  });

  it("refuses a place that cannot be written, before it reads the checkpoint", async () => {
    for (const [path, why] of [
      [join(folder, "nowhere", "clip.pt"), /Cannot write .*nowhere.clip\.pt: its folder does not exist$/],
      [folder, /Cannot write .*: it is a folder$/],
    ] as const) {
      await assert.rejects(exportCheckpoint("no/checkpoint", path), { code: "ERR_INVALID_ARGUMENT", message: why });
    }
  });

  it("takes at most 1.3 times the checkpoint's size in memory", (t) => {
    const bytes = writeRandomClip(folder, { width: 768, layers: 6, vocabulary: 30_000 });
    // The peak of a process of its own, above what it held with LibTorch loaded and before the export.
    const program = `
      import { readFileSync, writeFileSync } from "node:fs";
      import { devices, exportCheckpoint } from "clip-blip";
      const kilobytes = (field) => Number(new RegExp(field + ":\\\\s+(\\\\d+)").exec(readFileSync("/proc/self/status", "utf8"))[1]);
      devices();
      const before = kilobytes("VmRSS");
      writeFileSync("/proc/self/clear_refs", "5");
      await exportCheckpoint(${JSON.stringify(folder)}, ${JSON.stringify(join(folder, "large.pt"))});
      console.log((kilobytes("VmHWM") - before) * 1024);`;
    const child = spawnSync(process.execPath, ["--input-type=module", "-e", program], {
      cwd: repositoryPath("."),
      encoding: "utf8",
    });
    assert.equal(child.status, 0, child.stderr);
    const peak = Number(child.stdout);
    t.annotate(
      `${(bytes / 1e6).toFixed(0)} MB of weights, peak ${(peak / 1e6).toFixed(0)} MB: ${(peak / bytes).toFixed(2)}x`,
    );
    assert.ok(statSync(join(folder, "large.pt")).size > bytes);
    assert.ok(peak > 0.5 * bytes && peak <= 1.3 * bytes, `${peak} for ${bytes}`);
  });

  it("the demo models are exported by their names", async () => {
    const path = join(folder, "demo.pt");
    await assert.rejects(exportCheckpoint("demo", path), {
      code: "ERR_INVALID_ARGUMENT",
      message: /"demo" stands for two models: export "demo-clip" or "demo-blip"/,
    });
    await exportCheckpoint("demo-clip", path);
    await using clip = await ClipModel.load(path, { device: "cpu" });
    await using demo = await ClipModel.load("demo", { device: "cpu" });
    assert.deepEqual(await clip.encodeTexts("a red circle"), await demo.encodeTexts("a red circle"));
  });
});
