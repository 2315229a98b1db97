import { descriptionText, type ExtraFiles } from "../checkpoint/checkpoint.js";
import type { ModelDescription } from "../checkpoint/description.js";
import { resizePreprocessorConfig } from "../checkpoint/preprocessor-config.js";
import { ClipBlipError } from "../common/errors.js";

/** What tells how large the pictures of a model are. */
interface SizedModel<Description extends ModelDescription> {
  description: Description;
  extraFiles: ExtraFiles;
}

/**
 * The same model for pictures of another size; its weights interpolate their positions by themselves.
 * @param imageSize side of the square, in pixels
 * @throws ClipBlipError ERR_INVALID_ARGUMENT for a BLIP, without an image tower, and below the size of a patch
 */
export function withImageSize<Description extends ModelDescription>(
  { description, extraFiles }: SizedModel<Description>,
  imageSize: number,
): SizedModel<Description> {
  if (description.architecture === "blip") throw invalid("is for CLIP: BLIP has been trained for one size of pictures");
  if (description.imageSize === undefined) throw invalid("is for pictures, and this checkpoint has a text tower only");
  if (imageSize < description.patchSize!) {
    throw invalid(`is ${imageSize}, and a patch of this model has ${description.patchSize} pixels a side`);
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
