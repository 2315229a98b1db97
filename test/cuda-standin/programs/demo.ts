/** The demo models on the stand-in: each kind of call, until it is recorded and replayed. */
import { BlipModel, ClipModel, devices } from "clip-blip";
import { demoPictures } from "../../library/models.js";
import { control, DEVICE, say } from "./support.js";

const some = demoPictures.slice(0, 2);
const clip = await ClipModel.load("demo", { device: DEVICE });
const blip = await BlipModel.load("demo", { device: DEVICE });
for (let call = 0; call < 3; call++) {
  const vectors = [...(await clip.encodeImages(some)), ...(await clip.encodeTexts(["a red circle", ""]))];
  const captions = await blip.caption(some);
  say({ vectors: vectors.length, captions: captions.length });
}
say({ devices: devices().map(({ name }) => name), dtype: clip.capabilities().dtype, ...control.counters() });
await clip.close();
await blip.close();
say(control.counters());
