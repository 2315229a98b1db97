import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { devices } from "clip-blip";
import { native } from "../../dist/native/instance.js";
import { repositoryPath } from "../common/paths.mjs";

/** Versions of what was measured. */
export function versions(python) {
  const code =
    "import json, torch, transformers; print(json.dumps({'torch (Python)': torch.__version__, 'transformers (Python)': transformers.__version__}))";
  const { status, stdout } = spawnSync(python, ["-c", code], { encoding: "utf8" });
  devices();
  return {
    "clip-blip": JSON.parse(readFileSync(repositoryPath("package.json"), "utf8")).version,
    libtorch: native().torchVersion(),
    ...(status === 0 ? JSON.parse(stdout) : {}),
  };
}
