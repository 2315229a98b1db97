import { CHECKPOINTS, checkpoint } from "../../common/checkpoints.mjs";
import { figure, settings } from "../settings.mjs";

const { python, work, small, device } = settings();
for (const model of Object.keys(CHECKPOINTS)) {
  const started = performance.now();
  checkpoint(work, model, { python, small, device });
  figure({ kind: "checkpoint", model, seconds: (performance.now() - started) / 1000 });
}
