// Each batch is compiled anew, and max-autotune times many kernels for each product: the ends of the range only.
import { COMPILED } from "../aims.mjs";
import { measurePython, tasksOf } from "../measure-python.mjs";
import { leftOut, settings } from "../settings.mjs";

const told = settings();
const isEager = told.device === "cpu" || leftOut("torch.compile", "Triton compiles for a card");
const largest = told.batches.at(-1);
await measurePython(
  told,
  [
    ...tasksOf("tower", "clip-b32", [largest, 1]),
    ...tasksOf("tower", "clip-l14", [largest]),
    ...tasksOf("caption", "blip-base", [told.captionBatches.at(-1)]),
  ],
  {
    contender: COMPILED,
    compile: isEager ? undefined : "max-autotune",
  },
);
