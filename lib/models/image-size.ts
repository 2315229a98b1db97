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
 * The same model for pictures of another size. Its positions are interpolated when the weights are loaded.
 * @param imageSize side of the square, in pixels
 * @throws ClipBlipError ERR_INVALID_ARGUMENT for a BLIP, without an image tower, and below the size of a patch
 */
export function withImageSize<Description extends ModelDescription>(
  { description, extraFiles }: SizedModel<Description>,
  imageSize: number,
): SizedModel<Description> {
  if (description.architecture === "blip")
    throw invalid("works with CLIP only: a BLIP is trained for one size of pictures");
  if (description.imageSize === undefined) throw invalid("is for pictures, and this checkpoint has only a text tower");
  if (imageSize < description.patchSize!) {
    throw invalid(`is ${imageSize}, less than a patch of this model, which is ${description.patchSize} pixels wide`);
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
