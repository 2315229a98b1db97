import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { BlipModel, type ClipLoadOptions, ClipModel, type LoadOptions } from "clip-blip";

/** Path of a file in the repository. */
export const repositoryPath = (relative: string) => fileURLToPath(new URL(`../../${relative}`, import.meta.url));

/** Paths of the demo pictures, in the order of their names. */
export const demoPictures = readdirSync(repositoryPath("models/demo-pictures"))
  .filter((name) => /\.(jpg|png|webp)$/.test(name))
  .sort()
  .map((name) => repositoryPath(`models/demo-pictures/${name}`));

/** The demo CLIP on the CPU in float32, where numbers are compared. */
export const loadClip = (options: ClipLoadOptions = {}) =>
  ClipModel.load("demo", { device: "cpu", dtype: "float32", ...options });

/** The demo BLIP on the CPU in float32, where token ids are compared. */
export const loadBlip = (options: LoadOptions = {}) =>
  BlipModel.load("demo", { device: "cpu", dtype: "float32", ...options });

/** Equal but for the order of additions: a row's place in its batch, and the batch's size, may move the last bits. */
export function assertSameVectors(actual: Float32Array[], expected: Float32Array[]): void {
  assert.equal(actual.length, expected.length);
  for (const [row, vector] of actual.entries()) {
    const difference = Math.max(...vector.map((value, index) => Math.abs(value - expected[row]![index]!)));
    assert.ok(difference < 1e-6, `row ${row} differs by ${difference}`);
  }
}
