import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { repositoryPath } from "../library/models.js";

export type FullSize = "clip-b32-quick_gelu" | "blip-base";

/**
 * A checkpoint of full size with random weights: that of the folder in CLIP_BLIP_CHECKPOINTS, which has one folder for
 * each name, else made in `folder` by the Python in CLIP_BLIP_PYTHON (python3 where there is none), which needs torch and
 * transformers; or why it cannot be had. Nothing is downloaded.
 */
export function fullSize(name: FullSize, folder: string): string | { missing: string } {
  const given = process.env.CLIP_BLIP_CHECKPOINTS;
  if (given && existsSync(join(given, name, "config.json"))) return join(given, name);
  const target = join(folder, name);
  const python = process.env.CLIP_BLIP_PYTHON ?? "python3";
  const script = repositoryPath("test/parity/checkpoints.py");
  const { status, stderr } = spawnSync(python, [script, name, target], { encoding: "utf8", timeout: 300_000 });
  if (status === 0) return target;
  const reason = (stderr ?? "").trim().split("\n").at(-1);
  return { missing: `CLIP_BLIP_CHECKPOINTS has no ${name}, and ${python} cannot make one: ${reason}` };
}
