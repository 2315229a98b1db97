import { measureTowers } from "../measure-towers.mjs";
import { settings } from "../settings.mjs";

const told = settings();
await measureTowers(told, {
  models: ["clip-b32", "clip-l14"],
  batches: [...told.batches, "safe"],
  contender: "clip-blip",
});
