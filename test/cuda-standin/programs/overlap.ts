/** Two batches of pictures, of which the first is held on the device: what of the second comes meanwhile, as JSON lines. */
import { ClipModel } from "clip-blip";
import { rawPictures } from "../../gpu/pictures.js";
import { codeOf, control, DEVICE, memory, quiet, randomClip, say, settled } from "./support.js";

const BATCH = 256;
const pictures = rawPictures(BATCH);
const bytes = BATCH * 224 * 224 * 3;

// Whatever the guard frees goes with its room.
const releaseCache = "on-out-of-memory";
const clip = await ClipModel.load(randomClip(), { device: DEVICE, maxBatchSize: BATCH, releaseCache });
await clip.unload();
const { allocated } = memory();
const used = control.read("used_bytes");

/** Two batches, the first of which is held while it waits for the device. */
async function pair() {
  const before = control.counters();
  control.set("hold_waits", 1);
  const first = codeOf(clip.encodeImages(pictures));
  const waits = () => control.read("device_waits") - before.device_waits!;
  await settled(waits, (count) => count > 0);
  const second = codeOf(clip.encodeImages(pictures));
  const brought = () => control.read("host_to_device_bytes") - before.host_to_device_bytes!;
  const came = await settled(brought, (sum) => sum === 2 * bytes);
  control.set("hold_waits", 0);
  const codes = [(await first) ?? null, (await second) ?? null];
  await quiet();
  const after = control.counters();
  const of = (name: string) => after[name]! - before[name]!;
  say({
    batchesThere: came / bytes,
    codes,
    bytes: of("host_to_device_bytes") / bytes,
    streamWaits: of("stream_waits"),
    mallocs: of("mallocs"),
    frees: of("frees"),
    hostAllocs: of("host_allocs"),
    violations: of("violations"),
  });
}

// The first batch that comes while there is another has no room to come to; it is made behind one of the calls.
const room = () => memory().allocated - loaded;
await clip.encodeImages(pictures);
const loaded = memory().allocated;
for (let tries = 0; tries < 100 && room() < bytes; tries++) {
  await Promise.all([clip.encodeImages(pictures), clip.encodeImages(pictures)]);
  await quiet();
}
say({ room: room() / bytes });
for (let round = 0; round < 3; round++) await pair();
await clip.unload();
const left = await settled(
  () => control.read("used_bytes") - used,
  (sum) => sum === 0,
);
say({ left, allocated: memory().allocated - allocated });
await clip.close();
