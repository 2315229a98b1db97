import { Child } from "../common/child.mjs";
import { repositoryPath } from "../common/paths.mjs";

const script = (name) => repositoryPath("bench", "compare", "contenders", `${name}.mjs`);

/** Starts the program of a contender. */
export function startContender({ program }, python) {
  if (program !== "transformers") return new Child(process.execPath, [script(program)]);
  return new Child(python, [repositoryPath("bench", "common", "transformers_contender.py")]);
}

const ours = (label, parameters) => ({ id: `clip-blip ${label}`, program: "clip-blip", parameters });
const theirs = (label, parameters) => ({ id: `transformers ${label}`, program: "transformers", parameters });

/** What can take part on each kind of device; ids are what tables and plots show. */
export const CONTENDERS = {
  cpu: {
    ours: ours("default dtype", { dtype: "auto" }),
    oursFloat32: ours("float32", { dtype: "float32" }),
    onnxruntime: { id: "onnxruntime-node float32", program: "onnxruntime", parameters: {} },
    transformersJs: { id: "transformers.js float32", program: "transformers-js", parameters: {} },
    python: theirs("eager float32", { dtype: "float32" }),
    pythonBfloat16: theirs("eager bfloat16", { dtype: "bfloat16" }),
  },
  cuda: {
    ours: ours("default dtype", { dtype: "auto" }),
    oursFloat32: ours("float32", { dtype: "float32" }),
    python: theirs("eager float16", { dtype: "float16" }),
    compiled: theirs("torch.compile float16", { dtype: "float16", compile: "reduce-overhead" }),
  },
};
