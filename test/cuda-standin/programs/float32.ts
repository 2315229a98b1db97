/** The demo models in float32: what a call may round is counted. */
import { BlipModel, ClipModel } from "clip-blip";
import { demoPictures } from "../../library/models.js";
import { control, DEVICE, say } from "./support.js";

const some = demoPictures.slice(0, 2);
const clip = await ClipModel.load("demo", { device: DEVICE, dtype: "float32" });
const blip = await BlipModel.load("demo", { device: DEVICE, dtype: "float32" });
await clip.encodeImages(some);
await clip.encodeTexts(["a red circle"]);
await blip.caption(some);
say(control.counters());
await clip.close();
await blip.close();
