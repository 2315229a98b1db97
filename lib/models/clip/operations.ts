import type { ClipDescription, TextFields } from "../../checkpoint/description.js";
import { readPreprocessorConfig } from "../../checkpoint/preprocessor-config.js";
import { Operation } from "../../engine/operation.js";
import { PixelPool } from "../../input/pixel-pool.js";
import type { ImageInput } from "../../input/types.js";
import type { EmbeddingResult } from "../../native/types.js";
import { createClipTokenizer } from "../../text/clip-tokenizer.js";
import { createSiglipTokenizer } from "../../text/siglip-tokenizer.js";
import type { TextTokenizer } from "../../text/text-tokenizer.js";
import { type ImageCallOptions, isPreparing, pixelBatch, preparePixels, readyPixels } from "../images.js";
import type { Runtime } from "../model.js";

/** What one picture's embedding depends on beside the picture. */
interface EmbedImageOptions extends Pick<ImageCallOptions, "allowRemote" | "maxPixels"> {
  normalize?: boolean;
}

/** What one text's embedding depends on beside the text. */
interface EmbedTextOptions {
  normalize?: boolean;
  truncate?: boolean;
}

export interface ImageRequest {
  image: ImageInput;
  options: EmbedImageOptions;
}

export interface ImageItem {
  pixels: Uint8Array;
  normalize: boolean;
}

export interface TextRequest {
  text: string;
  options: EmbedTextOptions;
}

export interface TextItem {
  ids: number[];
  normalize: boolean;
}

/** Batches beyond these sizes are no faster (items; measured on a CPU and planned for a GPU). */
const LARGEST_USEFUL = { cpu: 16, accelerator: 256 };

/** Pictures to embeddings. `imageSize`: of the model's input, in pixels. */
export function imageOperation(
  runtime: Runtime<ClipDescription>,
  imageSize: number,
): Operation<ImageRequest, ImageItem, Float32Array> {
  const { native, description, extraFiles } = runtime;
  const { architecture } = description;
  const plan = readPreprocessorConfig(extraFiles["preprocessor_config.json"]!, architecture, imageSize);
  const pool = new PixelPool();
  return new Operation({
    ...shared(runtime),
    name: "encode_image",
    prepare: ({ image, options }, signal) => {
      const { normalize = true } = options;
      const ready = readyPixels(image, plan, options, pool);
      if (ready) return { pixels: ready, normalize };
      return preparePixels(native, image, plan, options, signal).then((pixels) => ({ pixels, normalize }));
    },
    key: (item) => String(item.normalize),
    forward: async (module, items, run) => {
      const pixels = items.map((item) => item.pixels);
      const result = await native.encodeImages(module, pixelBatch(pixels, plan), items[0]!.normalize, run);
      // Not after a failure: what ran out of memory is run again.
      pool.giveBack(pixels);
      return rows(result);
    },
    sample: () => ({ pixels: new Uint8Array(plan.height * plan.width * 3), normalize: true }),
    // A batch that waits holds a thread of the pool, which decoding has more use for.
    overlap: () => runtime.device !== "cpu" && !isPreparing(),
  });
}

/** The tokenizer of a model with these fields of a text tower. */
export function textTokenizer(
  { description, extraFiles }: Runtime<ClipDescription>,
  { contextLength, padTokenId }: TextFields,
): TextTokenizer {
  const create = description.architecture === "siglip" ? createSiglipTokenizer : createClipTokenizer;
  return create(extraFiles["tokenizer.json"]!, extraFiles["tokenizer_config.json"] ?? "{}", {
    contextLength,
    padTokenId,
  });
}

/** Texts to embeddings. `text`: the fields of the text tower. */
export function textOperation(
  runtime: Runtime<ClipDescription>,
  { contextLength }: TextFields,
  tokenizer: TextTokenizer,
): Operation<TextRequest, TextItem, Float32Array> {
  const { native } = runtime;
  const longest = tokenizer.encode("a ".repeat(contextLength), { truncate: true });
  return new Operation({
    ...shared(runtime),
    name: "encode_text",
    prepare: ({ text, options }) => ({
      ids: tokenizer.encode(text, { truncate: options.truncate ?? true }),
      normalize: options.normalize ?? true,
    }),
    key: (item) => String(item.normalize),
    forward: async (module, items, run) => {
      const ids = tokenizer.pad(items.map((item) => item.ids));
      return rows(await native.encodeTexts(module, ids, items.length, items[0]!.normalize, run));
    },
    sample: () => ({ ids: longest, normalize: true }),
  });
}

/** What both operations of a model have in common. */
function shared({ host, queue, admission, device, options }: Runtime) {
  return {
    host,
    queue,
    admission,
    device,
    largestUseful: device === "cpu" ? LARGEST_USEFUL.cpu : LARGEST_USEFUL.accelerator,
    maxBatchSize: options.maxBatchSize === "auto" ? undefined : options.maxBatchSize,
  };
}

/** A batch's rows as views of its one array. */
function rows({ data, dimension, peakBytes }: EmbeddingResult): { values: Float32Array[]; peakBytes: number } {
  const values: Float32Array[] = [];
  for (let start = 0; start < data.length; start += dimension) values.push(data.subarray(start, start + dimension));
  return { values, peakBytes };
}
