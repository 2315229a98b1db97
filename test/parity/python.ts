import { homedir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { pythonWith } from "../../bench/common/python.mjs";

/** A Python that has the pinned transformers: that of CLIP_BLIP_PYTHON, else one in the user's cache, made on the first call. */
export function pythonWithTransformers(): string {
  return pythonWith({
    imports: ["torch", "transformers", "PIL"],
    requirements: fileURLToPath(new URL("requirements.txt", import.meta.url)),
    directory: join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "clip-blip", "parity-python"),
  });
}
