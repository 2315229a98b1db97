import { types } from "node:util";
import type { ClipDescription, TextFields } from "../../checkpoint/description.js";
import { readPreprocessorConfig } from "../../checkpoint/preprocessor-config.js";
import { type BatchResult, Operation } from "../../engine/operation.js";
import type { ImageInput } from "../../input/types.js";
import type { EmbeddingResult, ModuleHandle, NativeBinding, RunOptions } from "../../native/types.js";
import { createClipTokenizer } from "../../text/clip-tokenizer.js";
import { createSiglipTokenizer } from "../../text/siglip-tokenizer.js";
import type { TextTokenizer } from "../../text/text-tokenizer.js";
import { maxUsefulBatch } from "../batch-size.js";
import { ImageReader, isPreparing, type ReadOptions } from "../image-reader.js";
import type { Runtime } from "../model.js";

/** One picture, and what else its embedding depends on. */
export interface ImageRequest {
  image: ImageInput;
  options: ReadOptions & { normalize?: boolean };
}

/** A prepared picture. */
export interface ImageItem {
  pixels: Uint8Array;
  normalize: boolean;
}

/** One text, and what else its embedding depends on. */
export interface TextRequest {
  text: string;
  options: { normalize?: boolean; truncate?: boolean };
}

/** A tokenized text. */
export interface TextItem {
  ids: number[];
  normalize: boolean;
}

/** Embeds pictures. */
export class EncodeImages extends Operation<ImageRequest, ImageItem, Float32Array> {
  readonly name = "encode_image";
  readonly #native: NativeBinding;
  readonly #reader: ImageReader;

  /** @param imageSize side of the model's input, in pixels */
  constructor(runtime: Runtime<ClipDescription>, imageSize: number) {
    const { native, device, description, extraFiles } = runtime;
    const { architecture } = description;
    super(runtime, maxUsefulBatch(architecture, device));
    this.#native = native;
    this.#reader = new ImageReader(
      native,
      readPreprocessorConfig(extraFiles["preprocessor_config.json"]!, architecture, imageSize),
    );
  }

  prepare({ image, options }: ImageRequest, signal: AbortSignal): ImageItem | Promise<ImageItem> {
    const { normalize = true } = options;
    const pixels = this.#reader.read(image, options, signal);
    return types.isPromise(pixels) ? pixels.then((ready) => ({ pixels: ready, normalize })) : { pixels, normalize };
  }

  key({ normalize }: ImageItem): string {
    return String(normalize);
  }

  override overlaps(): boolean {
    // A batch that waits for the device holds a pool thread; while pictures are being decoded, they need it more.
    return this.device !== "cpu" && !isPreparing();
  }

  protected async run(module: ModuleHandle, items: ImageItem[], options: RunOptions) {
    const pixels = items.map((item) => item.pixels);
    const batch = this.#reader.batch(pixels);
    const result = await this.#native.encodeImages(module, batch, items[0]!.normalize, options);
    // Only after success: a batch that ran out of memory is run again.
    this.#reader.release(pixels);
    return embeddings(result);
  }

  protected sample(): ImageItem {
    return { pixels: this.#reader.blank(), normalize: true };
  }
}

/** Embeds texts. */
export class EncodeTexts extends Operation<TextRequest, TextItem, Float32Array> {
  readonly name = "encode_text";
  readonly #native: NativeBinding;
  readonly #tokenizer: TextTokenizer;
  readonly #longest: number[];

  constructor(runtime: Runtime<ClipDescription>, { contextLength }: TextFields, tokenizer: TextTokenizer) {
    const { native, device, description } = runtime;
    super(runtime, maxUsefulBatch(description.architecture, device));
    this.#native = native;
    this.#tokenizer = tokenizer;
    this.#longest = tokenizer.encode("a ".repeat(contextLength), { truncate: true });
  }

  prepare({ text, options: { truncate = true, normalize = true } }: TextRequest): TextItem {
    return { ids: this.#tokenizer.encode(text, { truncate }), normalize };
  }

  key({ normalize }: TextItem): string {
    return String(normalize);
  }

  protected async run(module: ModuleHandle, items: TextItem[], options: RunOptions) {
    const ids = this.#tokenizer.pad(items.map((item) => item.ids));
    return embeddings(await this.#native.encodeTexts(module, ids, items.length, items[0]!.normalize, options));
  }

  protected sample(): TextItem {
    return { ids: this.#longest, normalize: true };
  }
}

/** The tokenizer of a model's text tower. */
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

/** The rows of a batch, as views of its array. */
function embeddings({ data, dimension, peakBytes }: EmbeddingResult): BatchResult<Float32Array> {
  const values: Float32Array[] = [];
  for (let start = 0; start < data.length; start += dimension) values.push(data.subarray(start, start + dimension));
  return { values, peakBytes };
}
