/**
 * `faults.ts <switch>=<value> …`: sets switches while calls are recorded, and again off; then the same calls, and an
 * unloading. Prints what the calls ended with, and what was left.
 */
import { BlipModel, ClipModel } from "clip-blip";
import { demoPictures } from "../../library/models.js";
import { codeOf, control, DEVICE, memory, say, settled } from "./support.js";

const switches = process.argv.slice(2).map((setting) => setting.split("=") as [string, string]);
const some = demoPictures.slice(0, 1);
const clip = await ClipModel.load("demo", { device: DEVICE });
const blip = await BlipModel.load("demo", { device: DEVICE });
await clip.unload();
await blip.unload();
const used = control.read("used_bytes");
const { allocated } = memory();

/** The codes of three rounds of calls; recorded from the second one on. `before` each call. */
async function calls(before = () => {}): Promise<(string | null)[]> {
  const codes: (string | null)[] = [];
  for (let round = 0; round < 3; round++) {
    for (const call of [
      () => clip.encodeImages(some),
      () => clip.encodeTexts(["a red circle"]),
      () => blip.caption(some),
    ]) {
      before();
      codes.push((await codeOf(call())) ?? null);
    }
  }
  return codes;
}

const set = () => {
  for (const [name, value] of switches) control.set(name, Number(value));
};
const clear = () => {
  for (const [name] of switches) control.set(name, 0);
};

const before = control.counters();
const during = await calls(set);
clear();
const struck = control.counters();
const after = await calls();
const end = control.counters();
await clip.unload();
await blip.unload();
const bytes = await settled(
  () => control.read("used_bytes") - used,
  (left) => left === 0,
);
say({
  during,
  after,
  refused: struck.refused_captures! - before.refused_captures!,
  recordedDuring: struck.captures! - before.captures!,
  graphsDuring: struck.graphs_alive,
  replayedAfter: end.graph_launches! - struck.graph_launches!,
  hostAllocsDuring: struck.host_allocs! - before.host_allocs!,
  violations: end.violations,
  left: {
    bytes,
    allocated: memory().allocated - allocated,
    graphs: control.read("graphs_alive"),
  },
});
await clip.close();
await blip.close();
say({ closed: control.read("used_bytes") });
