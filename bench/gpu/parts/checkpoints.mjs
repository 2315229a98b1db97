import { CHECKPOINTS, checkpoint } from "../../common/checkpoints.mjs";
import { figure, settings } from "../settings.mjs";

const { python, work, small, device } = settings();
// Side by side: each takes its time to import transformers.
await Promise.all(
  Object.keys(CHECKPOINTS).map(async (model) => {
    const started = performance.now();
    await checkpoint(work, model, { python, small, device });
    figure({ kind: "checkpoint", model, seconds: (performance.now() - started) / 1000 });
  }),
);
