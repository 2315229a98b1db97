import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CHECKPOINTS, checkpoint } from "../common/checkpoints.mjs";
import { pixelFile, readPixels } from "../common/pictures.mjs";

/** Pictures of a file that differ. */
const DISTINCT = 8;

/** A model's checkpoint and the file with its pixels. */
export async function inputsOf(model, { python, work, small, device }) {
  const { side } = CHECKPOINTS[model];
  const directory = await checkpoint(work, model, { python, small, device });
  return { directory, side, pixels: await pixelFile(join(work, "pictures"), { side, count: DISTINCT }) };
}

/** `batch` pictures of such a file, as the library takes them. */
export const pictures = ({ pixels, side }, batch) => readPixels(pixels, side, batch);

const safeBatchFile = ({ work }, model) => join(work, `${model}.safe-batch`);

/** Keeps the batch that the probe found, so that the others run at the same one. */
export function rememberSafeBatch(told, model, batch) {
  writeFileSync(safeBatchFile(told, model), String(batch));
}

/** That batch as a list; empty where no part has found it yet. */
export function safeBatches(told, model) {
  const file = safeBatchFile(told, model);
  return existsSync(file) ? [Number(readFileSync(file, "utf8"))] : [];
}
