/** `lost.ts <number>`: the device ends everything with an error of CUDA, and then, where the number is 2, does no more. */
import { BlipModel, ClipModel } from "clip-blip";
import { demoPictures } from "../../library/models.js";
import { codeOf, control, DEVICE, say } from "./support.js";

const some = demoPictures.slice(0, 2);
const clip = await ClipModel.load("demo", { device: DEVICE });
const blip = await BlipModel.load("demo", { device: DEVICE });
// So that graphs are there.
for (let call = 0; call < 3; call++) {
  await clip.encodeImages(some);
  await blip.caption(some);
}
control.set("error_device0", Number(process.argv[2]));
const during = [
  await codeOf(clip.encodeImages(some)),
  await codeOf(clip.encodeTexts(["a star"])),
  await codeOf(blip.caption(some)),
];
control.set("error_device0", 0);
const after = [
  (await codeOf(clip.encodeImages(some))) ?? null,
  (await codeOf(clip.encodeTexts(["a star"]))) ?? null,
  (await codeOf(blip.caption(some))) ?? null,
];
const closed = [(await codeOf(clip.close())) ?? null, (await codeOf(blip.close())) ?? null];
say({ during, after, closed, used: control.read("used_bytes") });
