import { ClipModel } from "clip-blip";
import { deviceMemory, resetPeak } from "../../common/internals.mjs";
import { inputsOf, pictures } from "../inputs.mjs";
import { figure, settings } from "../settings.mjs";

const GIB = 2 ** 30;
const told = settings();
const inputs = await inputsOf("clip-b32", told);
const image = pictures(inputs, 1);

const clip = await ClipModel.load(inputs.directory, { device: told.device, memoryLimit: 8 * GIB });
const { device } = clip.capabilities();
resetPeak(device);
const started = performance.now();
const { safeBatchSize, bytesPerItem, memory } = await clip.probe();
const probeSeconds = (performance.now() - started) / 1000;
const { peak } = deviceMemory(device);
figure({
  kind: "probe",
  model: "clip-b32",
  safeBatchSize,
  bytesPerItem,
  seconds: probeSeconds,
  peakBytes: peak,
  totalBytes: memory.total,
});

await clip.unload();
const before = deviceMemory(device).allocated;
for (let round = 0; round < told.loadRounds; round++) {
  await clip.encodeImages(image);
  await clip.unload();
}
figure({
  kind: "unload",
  model: "clip-b32",
  rounds: told.loadRounds,
  growthBytes: deviceMemory(device).allocated - before,
});
await clip.close();
