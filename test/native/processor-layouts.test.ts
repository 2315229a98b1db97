import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { test } from "vitest";
import { openCheckpoint } from "../../lib/checkpoint/directory.js";
import { readPreprocessorConfig } from "../../lib/checkpoint/preprocessor-config.js";
import { native } from "../../lib/native/instance.js";
import { draw } from "../fixtures/drawing.js";

interface Layout {
  name: string;
  /** A directory of test/fixtures. */
  checkpoint: string;
  files: Record<string, unknown>;
  /** What the image processor of transformers makes of the picture: float32 in base64, rows of red, green, blue. */
  pixels: string;
}

const fixtures = fileURLToPath(new URL("../fixtures/", import.meta.url));
const { width, height, cases }: { width: number; height: number; cases: Layout[] } = JSON.parse(
  readFileSync(join(fixtures, "layouts/processors.json"), "utf8"),
);

test.each(cases)("$name", async ({ checkpoint, files, pixels }) => {
  const directory = mkdtempSync(join(tmpdir(), "clip-blip-layout-"));
  try {
    cpSync(join(fixtures, checkpoint), directory, { recursive: true });
    rmSync(join(directory, "preprocessor_config.json"));
    for (const [file, value] of Object.entries(files)) writeFileSync(join(directory, file), JSON.stringify(value));
    const { description, extraFiles } = await openCheckpoint(directory);
    const { architecture, imageSize } = description;
    const plan = readPreprocessorConfig(extraFiles["preprocessor_config.json"]!, architecture, imageSize!);
    const { pixels: data } = await native().preprocess(draw(width, height), width, height, plan.resize);
    const { scale, mean, std } = plan.normalize;
    const expected = new Float32Array(new Uint8Array(Buffer.from(pixels, "base64")).buffer);
    assert.equal(data.length, expected.length);
    for (const [index, value] of data.entries()) {
      const normalized = (value * scale - mean[index % 3]!) / std[index % 3]!;
      assert.ok(Math.abs(normalized - expected[index]!) <= 1e-5 * Math.max(1, Math.abs(normalized)), `value ${index}`);
    }
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test("every layout that transformers writes is compared", () => {
  assert.ok(cases.length >= 100);
});
