// Small and large batches under each policy, in turns: the policies share the device's allocator, so each begins from what its own
// last call left.
import { setTimeout } from "node:timers/promises";
import { ClipModel } from "clip-blip";
import { deviceMemory } from "../../common/internals.mjs";
import { ratio, summary } from "../../common/statistics.mjs";
import { inputsOf, pictures } from "../inputs.mjs";
import { figure, settings } from "../settings.mjs";

const POLICIES = ["on-out-of-memory", "when-idle", "after-call"];
/** Calls of each policy in a row; the first pays for what the policy before it left, and does not count. */
const IN_A_ROW = 6;

const told = settings();
const inputs = await inputsOf("clip-b32", told);
const models = new Map();
for (const policy of POLICIES) {
  models.set(policy, await ClipModel.load(inputs.directory, { device: told.device, releaseCache: policy }));
}
const { device } = models.get("after-call").capabilities();
// The first is small enough for a graph, which takes no memory from a call.
const batches = [...new Set([told.batches.includes(64) ? 64 : told.batches[0], told.batches.at(-1)])];
for (const batch of batches) await compare(batch, (1000 * told.seconds * 6) / batches.length);
for (const model of models.values()) await model.close();

async function compare(batch, milliseconds) {
  const images = pictures(inputs, batch);
  // Twice, so that what is recorded has been.
  for (const model of [...models.values(), ...models.values()]) await model.encodeImages(images);
  const times = Object.fromEntries(POLICIES.map((policy) => [policy, []]));
  const kept = {};
  const end = performance.now() + milliseconds;
  while (performance.now() < end || times["after-call"].length < IN_A_ROW) {
    for (const [policy, model] of models) {
      for (let call = 0; call < IN_A_ROW; call++) {
        const started = performance.now();
        await model.encodeImages(images);
        if (call > 0) times[policy].push(performance.now() - started);
      }
      // The cache goes back behind the answer.
      await setTimeout(100);
      const { reserved, allocated, heldByGraphs } = deviceMemory(device);
      kept[policy] = reserved - allocated - heldByGraphs;
    }
  }
  for (const policy of POLICIES) {
    const costPercent = 100 * (ratio(times[policy], times["on-out-of-memory"]) - 1);
    const about = { kind: "guard", model: "clip-b32", batch, policy };
    figure({ ...about, costPercent, keptBytes: kept[policy], ...summary(times[policy]) });
  }
}
