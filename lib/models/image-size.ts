import { descriptionText, type ExtraFiles } from "../checkpoint/checkpoint.js";
import type { ModelDescription } from "../checkpoint/description.js";
import { resizePreprocessorConfig } from "../checkpoint/preprocessor-config.js";
import { ClipBlipError } from "../common/errors.js";

/** The parts of a model that depend on its image size. */
interface SizedModel<Description extends ModelDescription> {
  description: Description;
  extraFiles: ExtraFiles;
}

/**
 * The same model with another image size; the weights interpolate their position embeddings when they are built.
 * @param imageSize side of the square, in pixels
 * @throws ClipBlipError ERR_INVALID_ARGUMENT for BLIP, for a model without an image tower, and below the patch size
 */
export function withImageSize<Description extends ModelDescription>(
  { description, extraFiles }: SizedModel<Description>,
  imageSize: number,
): SizedModel<Description> {
  if (description.architecture === "blip") throw invalid("works for CLIP only: BLIP has a fixed image size");
  if (description.imageSize === undefined)
    throw invalid("needs an image tower, and this checkpoint has only a text tower");
  if (imageSize < description.patchSize!) {
    throw invalid(`is ${imageSize}: it must be at least the model's patch size, ${description.patchSize}`);
  }
  const resized = { ...description, imageSize };
  const preprocessor = extraFiles["preprocessor_config.json"]!;
  return {
    description: resized,
    extraFiles: {
      ...extraFiles,
      "clip-blip.json": descriptionText(resized),
      "preprocessor_config.json": resizePreprocessorConfig(
        preprocessor,
        description.architecture,
        description.imageSize,
        imageSize,
      ),
    },
  };
}

function invalid(what: string): ClipBlipError {
  return new ClipBlipError("ERR_INVALID_ARGUMENT", `The option imageSize ${what}`);
}
