/** `guard.ts <policy>`: what a policy leaves in the cache behind a call of many pictures. */
import { ClipModel, type LoadOptions } from "clip-blip";
import { rawPictures } from "../../gpu/pictures.js";
import { codeOf, control, DEVICE, quiet, randomClip, say, settled } from "./support.js";

const releaseCache = process.argv[2] as LoadOptions["releaseCache"];
const keeps = releaseCache === "on-out-of-memory";
// More than fits into the free ends of the blocks that weights lie in.
const pictures = rawPictures(400);
const used = () => control.read("used_bytes");

const clip = await ClipModel.load(randomClip(), { device: DEVICE, releaseCache });
await clip.unload();
await clip.encodeTexts(["a red circle"]);
await quiet();
const idle = used();
const left: number[] = [];
for (let call = 0; call < 3; call++) {
  const { mallocs } = control.counters();
  await clip.encodeImages(pictures);
  // A call that took nothing from the device would leave nothing either.
  say({ mallocs: control.read("mallocs") - mallocs! });
  left.push(await settled(used, (bytes) => bytes <= idle || keeps));
}
// With no more memory than is taken: the cache makes room for another model.
const frees = control.read("frees");
control.set("total_bytes", used());
const failed = (await codeOf(ClipModel.load("demo", { device: DEVICE }).then((other) => other.close()))) ?? null;
say({ idle, left, failed, frees: control.read("frees") - frees, bytesPerItem: clip.capabilities().bytesPerItem });
await clip.close();
