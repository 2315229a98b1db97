import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { checkpoint } from "../common/checkpoints.mjs";
import { repositoryPath } from "../common/paths.mjs";
import { pythonWith } from "../common/python.mjs";
import { run } from "../common/run.mjs";

/** What is compared with; never a dependency of the package. */
export const PEER_PACKAGES = { "@huggingface/transformers": "4.3.1", "onnxruntime-node": "1.30.0" };

/** Where the peers, the checkpoints and the pictures are kept: CLIP_BLIP_BENCH_PEERS, else bench/.peers. */
export const peersFolder = () => process.env.CLIP_BLIP_BENCH_PEERS ?? repositoryPath("bench", ".peers");

/**
 * Installs the npm packages where they are not there yet. Without their install scripts: that of onnxruntime-node
 * downloads CUDA libraries, and its CPU ones are in the package.
 */
export function installPackages(folder) {
  const missing = Object.keys(PEER_PACKAGES).some((name) => !existsSync(join(folder, "node_modules", name)));
  if (!missing) return;
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true, dependencies: PEER_PACKAGES }, null, 2));
  run("npm", ["install", "--ignore-scripts", "--no-audit", "--no-fund"], { cwd: folder });
}

/** A Python with transformers and what the ONNX export needs. */
export const peersPython = (folder) =>
  pythonWith({
    imports: ["torch", "transformers", "PIL", "onnx"],
    requirements: repositoryPath("bench", "compare", "requirements.txt"),
    directory: join(folder, "python"),
  });

/** A checkpoint by its name in CHECKPOINTS, with its image tower as ONNX beside it where it is a CLIP. */
export async function peersCheckpoint(folder, name, options) {
  const directory = await checkpoint(join(folder, "checkpoints"), name, options);
  const onnx = join(directory, "onnx");
  if (name.startsWith("clip") && !existsSync(onnx)) {
    try {
      run(options.python, [repositoryPath("bench", "compare", "export_onnx.py"), directory]);
    } catch (error) {
      rmSync(onnx, { recursive: true, force: true });
      throw error;
    }
  }
  return directory;
}
