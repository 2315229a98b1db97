import { Child } from "../common/child.mjs";
import { measure } from "../common/measure.mjs";
import { repositoryPath } from "../common/paths.mjs";
import { inputsOf } from "./inputs.mjs";
import { figure } from "./settings.mjs";

/** Times transformers in Python at one task after another, all in one process: starting it takes longer than most tasks. */
export async function measurePython(told, tasks, { contender, compile }) {
  const { python, device, tokens } = told;
  const dtype = device === "cpu" ? "float32" : "float16";
  const child = new Child(python, [repositoryPath("bench", "common", "transformers_contender.py")]);
  try {
    for (const { kind, model, batch } of tasks) {
      const { directory, side, pixels } = await inputsOf(model, told);
      const task = kind === "tower" ? "pixels to vectors" : "captions";
      await child.call("prepare", { task, checkpoint: directory, pixels, side, batch, tokens, device, dtype, compile });
      const timing = await measure(() => child.call("run"), told);
      const peak = device === "cpu" ? undefined : (await child.call("memory")).peak;
      figure({ kind, model, batch, contender, dtype, peakBytes: peak, ...timing });
    }
  } finally {
    await child.close();
  }
}

/** Tasks of one kind. */
export const tasksOf = (kind, model, batches) => batches.map((batch) => ({ kind, model, batch }));
