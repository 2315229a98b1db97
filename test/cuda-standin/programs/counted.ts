/** What single calls need of a device: the difference of all counters around each, as JSON lines. */
import { BlipModel, type CaptionOptions, ClipModel } from "clip-blip";
import { rawPictures } from "../../gpu/pictures.js";
import { demoPictures } from "../../library/models.js";
import { counted } from "../counts.js";
import { control, DEVICE, quiet, randomClip, say } from "./support.js";

const clip = await ClipModel.load(randomClip(), { device: DEVICE });
const blip = await BlipModel.load("demo", { device: DEVICE });
/** Captions of so many tokens, whatever a device that computes nothing makes of them. */
const tokens = (length: number) => ({ minLength: length, maxLength: length });
const captions = (count: number, options: CaptionOptions) => blip.caption(demoPictures.slice(0, count), options);
const CALLS: [what: string, call: () => Promise<unknown>][] = [
  ["1 picture", () => clip.encodeImages(rawPictures(1))],
  ["64 pictures", () => clip.encodeImages(rawPictures(64))],
  ["256 pictures", () => clip.encodeImages(rawPictures(256))],
  ["1 text", () => clip.encodeTexts(["a red circle"])],
  ["64 texts", () => clip.encodeTexts(Array.from({ length: 64 }, (_, index) => `text number ${index}`))],
  ["1 caption", () => captions(1, tokens(12))],
  ["1 caption, a token more", () => captions(1, tokens(13))],
  ["8 captions", () => captions(8, tokens(12))],
  ["8 captions, a token more", () => captions(8, tokens(13))],
  ["1 caption of 3 beams", () => captions(1, { ...tokens(12), numBeams: 3 })],
  ["1 caption of 3 beams, a token more", () => captions(1, { ...tokens(13), numBeams: 3 })],
];
for (const [what, call] of CALLS) {
  // The second one is recorded where it is small, and the third one is like all that come.
  for (const warmup of [call, call]) await warmup();
  await quiet();
  say({ what, counts: await counted(control, call, quiet) });
}
await clip.close();
await blip.close();
