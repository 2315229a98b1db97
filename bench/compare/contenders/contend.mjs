import { serve } from "../../common/serve.mjs";

/**
 * Takes part in a comparison: `tasks[name](parameters)` prepares a task and gives back how to `run` it once. The time of a
 * run is taken around it, unless it measures `parts` itself; `output` turns the result of the last run into numbers.
 */
export function contend(tasks) {
  let task;
  let last;
  return serve({
    prepare: async ({ task: name, ...parameters }) => {
      task = await tasks[name](parameters);
      return task.facts;
    },
    run: async (parameters) => {
      const started = performance.now();
      last = await task.run(parameters);
      const ms = performance.now() - started;
      return { ms, parts: last?.parts };
    },
    output: () => task.output(last),
  });
}

/** Vectors as the comparison takes them. */
export const asNumbers = (vectors) => vectors.map((vector) => Array.from(vector));
