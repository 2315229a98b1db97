/** Loads, records graphs and unloads, 50 times over. */
import { BlipModel, ClipModel } from "clip-blip";
import { demoPictures } from "../../library/models.js";
import { control, DEVICE, memory, say } from "./support.js";

const some = demoPictures.slice(0, 1);
const clip = await ClipModel.load("demo", { device: DEVICE });
const blip = await BlipModel.load("demo", { device: DEVICE });
await clip.unload();
await blip.unload();
const used = control.read("used_bytes");
const { allocated } = memory();
for (let round = 0; round < 50; round++) {
  // The second call of a shape is recorded.
  for (let call = 0; call < 3; call++) {
    await clip.encodeImages(some);
    await clip.encodeTexts(["a red circle"]);
    await blip.caption(some);
  }
  const graphs = control.read("graphs_alive");
  await clip.unload();
  await blip.unload();
  const { used_bytes, graphs_alive } = control.counters();
  say({ graphs, left: graphs_alive, bytes: used_bytes! - used, allocated: memory().allocated - allocated });
}
await clip.close();
await blip.close();
say({ used: control.read("used_bytes"), hostBytes: control.read("host_bytes") });
