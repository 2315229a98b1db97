import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "vitest";
import { native } from "../../lib/native/instance.js";
import type { Columns, ResizePlan } from "../../lib/native/types.js";
import { draw } from "../fixtures/drawing.js";
import { rejects } from "./helpers.js";

interface Case {
  width: number;
  height: number;
  plan: ResizePlan;
  result: { height: number; width: number; offset: number };
}

const folder = new URL("../fixtures/preprocess/", import.meta.url);
const cases = JSON.parse(readFileSync(new URL("cases.json", folder), "utf8")) as Case[];
const expected = readFileSync(new URL("pixels.bin", folder));

/** Some columns of each row. */
function cut(pixels: Uint8Array, width: number, { begin, length }: Columns): Uint8Array {
  const rows = Array.from({ length: pixels.length / width / 3 }, (_, row) => (row * width + begin) * 3);
  return Buffer.concat(rows.map((start) => pixels.subarray(start, start + length * 3)));
}

for (const { width, height, plan, result } of cases) {
  const resize = plan.resize === null ? "as is" : Object.values(plan.resize).join("x");
  const crop = plan.crop === null ? "" : `, crop ${plan.crop.height}x${plan.crop.width}`;
  test(`${width}x${height}, ${plan.resample} to ${resize}${crop}: Pillow's bytes`, async () => {
    const output = await native().preprocess(draw(width, height), width, height, plan);
    assert.deepEqual([output.height, output.width], [result.height, result.width]);
    const length = result.height * result.width * 3;
    assert.deepEqual(Buffer.from(output.pixels), expected.subarray(result.offset, result.offset + length));
  });

  test(`${width}x${height}, ${plan.resample} to ${resize}${crop}: of the needed columns alone, and of some more`, async () => {
    const { neededColumns, preprocess } = native();
    const [whole, pixels] = [draw(width, height), await preprocess(draw(width, height), width, height, plan)];
    const needed = neededColumns(width, height, plan);
    const begin = Math.floor(needed.begin / 2);
    const more = { begin, length: Math.ceil((needed.begin + needed.length + width) / 2) - begin };
    for (const columns of [needed, more]) {
      assert.deepEqual(await preprocess(cut(whole, width, columns), width, height, plan, columns), pixels);
    }
    for (const less of [
      { begin: needed.begin + 1, length: needed.length - 1 },
      { begin: needed.begin, length: needed.length - 1 },
    ]) {
      if (less.length === 0) continue;
      const held = cut(whole, width, less);
      await rejects(preprocess(held, width, height, plan, less), "INVALID_ARGUMENT", /columns/);
    }
  });
}

test("an extreme picture costs what its crop costs", async () => {
  const plan: ResizePlan = { resize: { shortestEdge: 224 }, resample: "bicubic", crop: { height: 224, width: 224 } };
  const width = 3_000_000;
  const output = await native().preprocess(new Uint8Array(width * 3).fill(7), width, 1, plan);
  assert.equal(output.pixels.length, 224 * 224 * 3);
  assert.ok(output.pixels.every((value) => value === 7));
});

test("refuses what does not fit together", async () => {
  const plan: ResizePlan = { resize: { shortestEdge: 8 }, resample: "bicubic", crop: null };
  const { preprocess } = native();
  await rejects(preprocess(new Uint8Array(11), 2, 2, plan), "INVALID_ARGUMENT");
  await rejects(preprocess(new Uint8Array(0), 0, 2, plan), "INVALID_ARGUMENT");
  await rejects(preprocess(new Uint8Array(12), 2.5, 2, plan), "INVALID_ARGUMENT");
  await rejects(preprocess("pixels" as never, 2, 2, plan), "INVALID_ARGUMENT");
  await rejects(preprocess(new Uint8Array(12), 2, 2, { ...plan, resample: "gaussian" as never }), "INVALID_ARGUMENT");
  await rejects(
    preprocess(new Uint8Array(12), 2, 2, { ...plan, resize: { shortestEdge: 2 ** 30 } }),
    "INVALID_ARGUMENT",
  );
  await rejects(
    preprocess(new Uint8Array(12), 2, 2, { ...plan, crop: { height: 2 ** 20, width: 2 ** 20 } }),
    "INVALID_ARGUMENT",
  );
});
