import { join } from "node:path";
import { BlipModel, ClipModel } from "clip-blip";
import { measure } from "../../common/measure.mjs";
import { photoFiles } from "../../common/pictures.mjs";
import { inputsOf } from "../inputs.mjs";
import { figure, settings } from "../settings.mjs";

const told = settings();
const photos = { width: 640, height: 480, count: 25 };
const files = await photoFiles(join(told.work, "pictures"), photos);
const about = { kind: "files", count: files.length, size: `${photos.width} x ${photos.height}` };

const clip = await ClipModel.load((await inputsOf("clip-b32", told)).directory, { device: told.device });
figure({ ...about, model: "clip-b32", ...(await measure(() => clip.encodeImages(files), told)) });
await clip.close();
const blip = await BlipModel.load((await inputsOf("blip-base", told)).directory, { device: told.device });
figure({
  ...about,
  model: "blip-base",
  ...(await measure(() => blip.caption(files, { maxLength: told.tokens }), told)),
});
await blip.close();
