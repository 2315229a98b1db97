// Each batch is compiled anew, which takes long: the ends of the range only.
import { measurePython, tasksOf } from "../measure-python.mjs";
import { settings } from "../settings.mjs";

const told = settings();
const largest = told.batches.at(-1);
await measurePython(
  told,
  [
    ...tasksOf("tower", "clip-b32", [largest, 1]),
    ...tasksOf("tower", "clip-l14", [largest]),
    ...tasksOf("caption", "blip-base", [told.captionBatches.at(-1)]),
  ],
  { contender: "transformers torch.compile", compile: told.device === "cpu" ? undefined : "reduce-overhead" },
);
