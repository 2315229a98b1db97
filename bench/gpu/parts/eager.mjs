import { safeBatches } from "../inputs.mjs";
import { measurePython, tasksOf } from "../measure-python.mjs";
import { settings } from "../settings.mjs";

const told = settings();
await measurePython(
  told,
  [
    ...tasksOf("tower", "clip-b32", told.batches),
    ...tasksOf("caption", "blip-base", told.captionBatches),
    ...tasksOf("tower", "clip-l14", told.batches),
    ...tasksOf("tower", "clip-b32", safeBatches(told, "clip-b32")),
    ...tasksOf("tower", "clip-l14", safeBatches(told, "clip-l14")),
  ],
  { contender: "transformers eager" },
);
