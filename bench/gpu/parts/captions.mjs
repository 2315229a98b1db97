import { measureCaptions } from "../measure-captions.mjs";
import { settings } from "../settings.mjs";

const told = settings();
await measureCaptions(told, {
  models: ["blip-base", "blip-large"],
  batches: told.captionBatches,
  contender: "clip-blip",
});
