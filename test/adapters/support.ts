import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { ClipModel, cosineSimilarity } from "clip-blip";
import { demoPictures } from "../library/models.js";

export const TEXTS = ["a small red circle on a white background", "three blue stars", "a green square"];
export const PICTURES = demoPictures.slice(0, 3);

/** The bytes of a picture as a data URL. */
export const dataUrl = (path: string) => `data:image/jpeg;base64,${readFileSync(path).toString("base64")}`;

/** A source of the demo model whose options are those of `loadClip`. */
export const LOAD = { device: "cpu", dtype: "float32" } as const;

/** The demo model, and what it answers to the texts and pictures above. */
export async function loadExpected(): Promise<{ clip: ClipModel; texts: Float32Array[]; pictures: Float32Array[] }> {
  const clip = await ClipModel.load("demo", LOAD);
  return { clip, texts: await clip.encodeTexts(TEXTS), pictures: await clip.encodeImages(PICTURES) };
}

/** Plain arrays of numbers that are the same vectors. */
export function assertVectors(actual: unknown, expected: Float32Array[]): void {
  assert.ok(Array.isArray(actual));
  assert.equal(actual.length, expected.length);
  for (const [index, vector] of actual.entries()) {
    assert.ok(Array.isArray(vector), "a plain array");
    assert.ok(cosineSimilarity(vector, expected[index]!) > 0.99999 && Math.abs(Math.hypot(...vector) - 1) < 1e-5);
  }
}
