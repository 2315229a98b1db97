import type { ClipBlipError } from "../common/errors.js";
import type { ImageInput } from "../input/types.js";

interface CallOptions {
  signal?: AbortSignal;
}

/** What an index uses of a model; `ClipModel` has it. */
export interface IndexableModel {
  encodeImages(images: ImageInput[], options?: CallOptions): Promise<Float32Array[]>;
  encodeTexts(texts: string[], options?: CallOptions): Promise<Float32Array[]>;
  encodeImageStream(
    images: AsyncIterable<string>,
    options?: CallOptions,
  ): AsyncIterable<{ embedding: Float32Array } | { error: ClipBlipError }>;
}
