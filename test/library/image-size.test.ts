import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BlipModel, ClipModel, exportCheckpoint, type LoadOptions } from "clip-blip";
import { afterAll, beforeAll, describe, it } from "vitest";
import { demoPictures, loadClip, repositoryPath } from "./models.js";

const { imageSize, images }: { imageSize: number; images: number[][] } = JSON.parse(
  readFileSync(repositoryPath("test/fixtures/transformers/clip.json"), "utf8"),
).interpolated;

const CPU = { device: "cpu", dtype: "float32" } as const;

async function assertInterpolated(clip: ClipModel): Promise<void> {
  assert.equal(clip.capabilities().imageSize, imageSize);
  const actual = await clip.encodeImages(demoPictures, { normalize: false });
  for (const [row, expected] of images.entries()) {
    const difference = Math.max(...expected.map((value, index) => Math.abs(value - actual[row]![index]!)));
    assert.ok(difference < 1e-5 * Math.max(1, ...expected.map(Math.abs)), `picture ${row}: ${difference}`);
  }
}

describe("pictures of another size than the checkpoint's", () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "clip-blip-size-"));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it("are embedded as transformers does with interpolate_pos_encoding", async () => {
    await using clip = await loadClip({ imageSize });
    await assertInterpolated(clip);
  });

  it("can be asked for at the export, or of an archive", async () => {
    const source = repositoryPath("models/demo-clip");
    const [plain, sized] = [join(folder, "plain.pt"), join(folder, "sized.pt")];
    await exportCheckpoint(source, plain);
    await exportCheckpoint(source, sized, { imageSize });
    await using fromPlain = await ClipModel.load(plain, { ...CPU, imageSize });
    await assertInterpolated(fromPlain);
    await using fromSized = await ClipModel.load(sized, CPU);
    await assertInterpolated(fromSized);
    // The checkpoint's own size again.
    await using back = await ClipModel.load(sized, { ...CPU, imageSize: 96 });
    await using original = await loadClip();
    assert.deepEqual(await back.encodeImages(demoPictures), await original.encodeImages(demoPictures));
  });

  it("are refused where they make no sense", async () => {
    const blip = repositoryPath("models/demo-blip");
    const invalid = (message: RegExp) => ({ code: "ERR_INVALID_ARGUMENT", message });
    for (const wrong of [0, -1, 1.5, 1e6, "336", null]) {
      await assert.rejects(loadClip({ imageSize: wrong as number }), invalid(/options\.imageSize/));
    }
    await assert.rejects(loadClip({ imageSize: 11 }), invalid(/is 11: it must be at least the model's patch size, 12/));
    await assert.rejects(BlipModel.load("demo", { imageSize: 96 } as LoadOptions), invalid(/imageSize/));
    await assert.rejects(
      exportCheckpoint(blip, join(folder, "blip.pt"), { imageSize: 96 }),
      invalid(/imageSize.*BLIP/),
    );
    await assert.rejects(exportCheckpoint(blip, join(folder, "blip.pt"), { imageSize: 0 }), invalid(/imageSize/));
  });
});
