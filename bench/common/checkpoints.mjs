import { execFile } from "node:child_process";
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { repositoryPath } from "./paths.mjs";

/** The models that are measured, by the names that tables give them. */
export const CHECKPOINTS = {
  "clip-b32": { title: "CLIP ViT-B/32", case: "clip-b32-quick_gelu", side: 224 },
  "clip-l14": { title: "CLIP ViT-L/14", case: "clip-l14-quick_gelu", side: 224 },
  "blip-base": { title: "BLIP base", case: "blip-base", side: 384 },
  "blip-large": { title: "BLIP large", case: "blip-large", side: 384 },
};

/**
 * A checkpoint with random weights in `folder`, made by `python` where it is not there yet, and called by its case, as
 * test:gpu looks for it.
 * @returns its directory
 */
export async function checkpoint(folder, name, { python, small = false, device = "cpu" }) {
  const directory = join(folder, CHECKPOINTS[name].case + (small ? "-small" : ""));
  if (existsSync(directory)) return directory;
  const unfinished = `${directory}.part`;
  rmSync(unfinished, { recursive: true, force: true });
  mkdirSync(dirname(unfinished), { recursive: true });
  const script = repositoryPath("test", "parity", "checkpoints.py");
  await promisify(execFile)(python, [
    script,
    CHECKPOINTS[name].case,
    unfinished,
    ...(small ? ["--small"] : []),
    "--device",
    device,
  ]);
  renameSync(unfinished, directory);
  return directory;
}
