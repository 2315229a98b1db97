import { ClipModel } from "clip-blip";
import { openClipParts } from "../common/internals.mjs";
import { measure } from "../common/measure.mjs";
import { inputsOf, pictures, rememberSafeBatch } from "./inputs.mjs";
import { figure } from "./settings.mjs";

/**
 * Times the image tower of each model at each batch, "safe" being what the probe finds: the addon's own call, from uint8
 * pixels in host memory to vectors there, and the library's call beside it.
 */
export async function measureTowers(told, { models, batches, contender }) {
  for (const model of models) {
    const inputs = await inputsOf(model, told);
    const clip = await ClipModel.load(inputs.directory, { device: told.device });
    const { safeBatchSize, device, dtype } = clip.capabilities();
    const parts = await openClipParts(inputs.directory, { device, dtype });
    for (const name of batches) {
      const batch = name === "safe" ? Math.min(safeBatchSize, told.largestSafe) : name;
      if (name === "safe") rememberSafeBatch(told, model, batch);
      const images = pictures(inputs, batch);
      const pixels = images.map(({ data }) => data);
      const about = { kind: "tower", model, batch, safe: name === "safe", dtype };
      const { peakBytes } = await parts.forward(pixels);
      figure({ ...about, contender, peakBytes, ...(await measure(() => parts.forward(pixels), told)) });
      if (name === "safe") continue;
      figure({
        ...about,
        contender: `${contender}, library call`,
        ...(await measure(() => clip.encodeImages(images), told)),
      });
    }
    await parts.close();
    await clip.close();
  }
}
