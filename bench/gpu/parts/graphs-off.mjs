// The same without the object that records CUDA graphs, which is how the library runs where it was not built.
import { existsSync, renameSync } from "node:fs";
import { repositoryPath } from "../../common/paths.mjs";
import { measureCaptions } from "../measure-captions.mjs";
import { measureTowers } from "../measure-towers.mjs";
import { settings } from "../settings.mjs";

const object = repositoryPath("build", "Release", "clip_blip_cuda.so");
const hidden = `${object}.hidden`;
const told = settings();
// Left behind where this part was stopped before.
if (existsSync(hidden) && !existsSync(object)) renameSync(hidden, object);
if (told.device !== "cpu" && !existsSync(object))
  throw new Error("clip_blip_cuda.so was not built: there are no graphs");
if (existsSync(object)) renameSync(object, hidden);
try {
  const contender = "clip-blip, no graphs";
  await measureTowers(told, { models: ["clip-b32"], batches: told.batches, contender });
  await measureCaptions(told, { models: ["blip-base"], batches: told.captionBatches, contender });
} finally {
  if (existsSync(hidden)) renameSync(hidden, object);
}
