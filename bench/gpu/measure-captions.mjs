import { BlipModel } from "clip-blip";
import { measure } from "../common/measure.mjs";
import { inputsOf, pictures } from "./inputs.mjs";
import { figure } from "./settings.mjs";

/** Times captions of a fixed length: the library's call, from raw pixels of the model's size. */
export async function measureCaptions(told, { models, batches, contender }) {
  const { tokens, device } = told;
  for (const model of models) {
    const inputs = await inputsOf(model, told);
    const blip = await BlipModel.load(inputs.directory, { device });
    for (const batch of batches) {
      const images = pictures(inputs, batch);
      const timing = await measure(() => blip.caption(images, { minLength: tokens, maxLength: tokens }), told);
      figure({ kind: "caption", model, batch, contender, dtype: blip.capabilities().dtype, ...timing });
    }
    await blip.close();
  }
}
