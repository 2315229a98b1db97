/** A model on each of two devices: what a call on one does to the other. */
import { ClipModel } from "clip-blip";
import { demoPictures } from "../../library/models.js";
import { control, quiet, say } from "./support.js";

const some = demoPictures.slice(0, 2);
// Each with a cache that somebody else could give up.
const models = [
  await ClipModel.load("demo", { device: "cuda:0" }),
  await ClipModel.load("demo", { device: "cuda:1", releaseCache: "on-out-of-memory" }),
];
for (let call = 0; call < 3; call++) {
  for (const [device, model] of models.entries()) {
    await quiet();
    const before = control.counters();
    await model.encodeImages(some);
    await model.encodeTexts(["a red circle"]);
    await quiet();
    const after = control.counters();
    const other = 1 - device;
    const difference = (name: string) => after[name]! - before[name]!;
    say({
      device,
      used: difference(`launches_device${device}`) + difference("graph_launches"),
      others: ["launches", "mallocs", "frees", "used_bytes"].map((name) => difference(`${name}_device${other}`)),
      violations: difference("violations"),
    });
  }
}
await models[0]!.close();
const { used_bytes_device0, used_bytes_device1 } = control.counters();
say({ used_bytes_device0, used_bytes_device1 });
await models[1]!.close();
say({ used: control.read("used_bytes"), graphs: control.read("graphs_alive") });
