import { type Caption, type CaptionRequest, captionOperation } from "./blip-operations.js";
import type { BlipDescription } from "./checkpoint/description.js";
import type { ClipBlipError } from "./errors.js";
import { type GenerationPlan, planGeneration } from "./generation.js";
import { assertGenerationOptions, GENERATION_OPTIONS, type GenerationOptions } from "./generation-options.js";
import { assertImageCallOptions, assertImages, IMAGE_CALL_OPTIONS, type ImageCallOptions } from "./images.js";
import type { ImageInput } from "./input/types.js";
import { Model, openRuntime, type Runtime } from "./model.js";
import type { LoadOptions } from "./options.js";
import { type BlipTokenizer, createBlipTokenizer } from "./text/blip-tokenizer.js";
import { assertIterable, assertOptions, assertStrings, invalidArgument } from "./validate.js";

/** Options of `caption`. */
export interface CaptionOptions extends ImageCallOptions, GenerationOptions {
  /** The beginning of the caption: one for all pictures, or one for each. Default: none. */
  prompt?: string | string[];
}

/** Options of `captionStream`. */
export interface CaptionStreamOptions extends Omit<CaptionOptions, "onProgress" | "prompt"> {
  /** The beginning of every caption. Default: none. */
  prompt?: string;
}

/** One picture of a stream. */
export type CaptionedImage =
  | { index: number; input: ImageInput; caption: Caption }
  | { index: number; input: ImageInput; error: ClipBlipError };

type CaptionOperation = ReturnType<typeof captionOperation>;

/** A BLIP model: pictures to sentences. */
export class BlipModel extends Model {
  readonly #captions: CaptionOperation;
  readonly #description: BlipDescription;
  readonly #tokenizer: BlipTokenizer;

  private constructor(runtime: Runtime<BlipDescription>, tokenizer: BlipTokenizer, captions: CaptionOperation) {
    super(runtime, [captions]);
    this.#captions = captions;
    this.#description = runtime.description;
    this.#tokenizer = tokenizer;
  }

  /**
   * Loads a model; `source` and errors as in `ClipModel.load`.
   * An archive runs code of its own: load only those that you trust.
   */
  static async load(source: string, options: LoadOptions = {}): Promise<BlipModel> {
    const runtime = await openRuntime(source, "blip", options);
    try {
      const { extraFiles, description } = runtime;
      const tokenizer = createBlipTokenizer(
        extraFiles["tokenizer.json"]!,
        extraFiles["tokenizer_config.json"] ?? "{}",
        { startTokenId: description.startTokenId, maxTokens: description.contextLength },
      );
      const model = new BlipModel(runtime, tokenizer, captionOperation(runtime, tokenizer));
      await model.firstProbe();
      return model;
    } catch (error) {
      await runtime.host.close();
      throw error;
    }
  }

  /**
   * Writes a caption for each picture, in the order given.
   * One picture that cannot be read rejects the call with an error whose `index` says which.
   * @throws ClipBlipError ERR_INVALID_ARGUMENT, ERR_TEXT_TOO_LONG (a prompt that leaves no room below maxLength),
   * ERR_IMAGE_DECODE, ERR_IMAGE_TOO_LARGE, ERR_QUEUE_FULL, ERR_OUT_OF_MEMORY, ERR_DEVICE_LOST, ERR_CLOSED
   */
  async caption(images: ImageInput[], options: CaptionOptions = {}): Promise<Caption[]> {
    this.#assertCaptionOptions(options);
    assertImages(images, options);
    const { prompt } = options;
    if (prompt !== undefined && typeof prompt !== "string") {
      assertStrings(prompt, "options.prompt");
      if (prompt.length !== images.length) {
        throw invalidArgument(
          "options.prompt",
          `a string, or one string for each of ${images.length} pictures`,
          prompt,
        );
      }
    }
    const plan = this.#plan(options);
    this.assertOpen();
    const requests = images.map(
      (image, index): CaptionRequest => ({
        image,
        prompt: Array.isArray(prompt) ? prompt[index] : prompt,
        plan,
        options,
      }),
    );
    return this.#captions.pipeline.map(requests, options);
  }

  /**
   * Captions the pictures of any iterable, with bounded memory: results come in order, and a picture that cannot be
   * read is a result with an `error`.
   * @throws ClipBlipError ERR_INVALID_ARGUMENT; rejects with `signal.reason` when aborted
   */
  captionStream(
    images: Iterable<ImageInput> | AsyncIterable<ImageInput>,
    options: CaptionStreamOptions = {},
  ): AsyncGenerator<CaptionedImage, void, undefined> {
    assertIterable(images, "images");
    this.#assertCaptionOptions(options);
    if (options.prompt !== undefined && typeof options.prompt !== "string") {
      throw invalidArgument("options.prompt", "a string", options.prompt);
    }
    const plan = this.#plan(options);
    this.assertOpen();
    return this.#stream(images, plan, options);
  }

  async *#stream(
    images: Iterable<ImageInput> | AsyncIterable<ImageInput>,
    plan: GenerationPlan,
    options: CaptionStreamOptions,
  ): AsyncGenerator<CaptionedImage, void, undefined> {
    for await (const result of this.#captions.pipeline.stream(requests(images, plan, options), options)) {
      const { index, input } = result;
      yield "error" in result
        ? { index, input: input.image, error: result.error }
        : { index, input: input.image, caption: result.value };
    }
  }

  #assertCaptionOptions(options: CaptionOptions): void {
    assertOptions(options, "options", ["prompt", ...GENERATION_OPTIONS, ...IMAGE_CALL_OPTIONS]);
    assertImageCallOptions(options);
    assertGenerationOptions(options, this.#description.contextLength);
  }

  #plan(options: CaptionStreamOptions | CaptionOptions): GenerationPlan {
    return planGeneration(options, this.#description, this.#tokenizer);
  }
}

async function* requests(
  images: Iterable<ImageInput> | AsyncIterable<ImageInput>,
  plan: GenerationPlan,
  options: CaptionStreamOptions,
): AsyncGenerator<CaptionRequest, void, undefined> {
  for await (const image of images) yield { image, prompt: options.prompt, plan, options };
}
