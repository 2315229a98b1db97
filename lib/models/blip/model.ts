import type { BlipDescription, BlipWriterDescription } from "../../checkpoint/description.js";
import { ClipBlipError } from "../../common/errors.js";
import { assertBoolean, assertIterable, assertOptions, assertStrings, invalidArgument } from "../../common/validate.js";
import type { ImageInput } from "../../input/types.js";
import { type BlipTokenizer, createBlipTokenizer } from "../../text/blip-tokenizer.js";
import { assertImageCallOptions, assertImages, IMAGE_CALL_OPTIONS, type ImageCallOptions } from "../images.js";
import type { LoadOptions } from "../load-options.js";
import { Model, openRuntime, type Runtime } from "../model.js";
import { type Answer, AnswerQuestions, type AnswerRequest } from "./answer.js";
import { type Caption, type CaptionRequest, WriteCaptions } from "./caption.js";
import { type GenerationPlan, planGeneration } from "./generation.js";
import { assertGenerationOptions, GENERATION_OPTIONS, type GenerationOptions } from "./generation-options.js";
import { type Match, type MatchRequest, MatchTexts } from "./match.js";
import { pairUp } from "./pairs.js";

/** Options of `caption`. */
export interface CaptionOptions extends ImageCallOptions, GenerationOptions {
  /**
   * The beginning of the caption: one for all pictures, or one for each. Default: none.
   * @example
   * ```ts
   * await blip.caption(["photo.jpg"], { prompt: "a photograph of" });
   * ```
   */
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

/** Options of `answer`. */
export interface AnswerOptions extends ImageCallOptions, GenerationOptions {
  /**
   * Cut questions that are longer than the model's context and keep their end token, like `truncation=True` in
   * transformers. Default true; false rejects with ERR_TEXT_TOO_LONG.
   */
  truncate?: boolean;
}

/** Options of `match`. */
export interface MatchOptions extends ImageCallOptions {
  /** Like `AnswerOptions.truncate`, for the texts. */
  truncate?: boolean;
}

/** The one operation that a model was trained for. */
interface Operations {
  caption?: WriteCaptions;
  answer?: AnswerQuestions;
  match?: MatchTexts;
}

/**
 * A BLIP model. It does one thing, the one that it was trained for: write captions, answer questions, or match pictures
 * and texts.
 * @example
 * ```ts
 * const blip = await BlipModel.load("Salesforce/blip-image-captioning-base");
 * const [caption] = await blip.caption(["photo.jpg"], { numBeams: 3, maxNewTokens: 30 });
 * console.log(caption.text);
 * await blip.close();
 * ```
 */
export class BlipModel extends Model {
  readonly #operations: Operations;
  readonly #description: BlipDescription;
  readonly #tokenizer: BlipTokenizer;

  private constructor(runtime: Runtime<BlipDescription>, tokenizer: BlipTokenizer, operations: Operations) {
    super(runtime, Object.values(operations));
    this.#operations = operations;
    this.#description = runtime.description;
    this.#tokenizer = tokenizer;
  }

  /**
   * Loads a model. `source` and errors are those of `ClipModel.load`; "demo" writes captions.
   * An archive can run code of its own: load only those that you trust.
   * @example
   * ```ts
   * const blip = await BlipModel.load("Salesforce/blip-vqa-base", { device: "cpu" });
   * ```
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
      const model = new BlipModel(runtime, tokenizer, makeOperations(runtime, tokenizer));
      await model.firstProbe();
      return model;
    } catch (error) {
      await runtime.host.close();
      throw error;
    }
  }

  /**
   * Writes a caption for each picture, in the given order.
   * A picture that cannot be read rejects the call; the error's `index` says which one.
   * @example
   * ```ts
   * const [caption] = await blip.caption(["photo.jpg"]);
   * console.log(caption.text);
   * ```
   * @throws ClipBlipError ERR_INVALID_ARGUMENT (also for a model that was trained for something else),
   * ERR_TEXT_TOO_LONG (a prompt that leaves no room below maxLength),
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
    const operation = this.#operation("caption");
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
    return operation.pipeline.map(requests, options);
  }

  /**
   * Answers questions about pictures, and returns one answer for each pair. Lists of equal length are paired in order.
   * A single question is asked about every picture. A single picture is asked every question, and encoded once for all
   * that share a batch. `maxLength` and `minLength` count the answer's start token, but not the question.
   *
   * Each answer is the one that transformers gives to the question alone. In a batch of questions of different lengths
   * transformers reads their padding, too.
   * @example
   * ```ts
   * const answers = await blip.answer(["photo.jpg"], ["what color is the car?", "how many people are there?"]);
   * ```
   * @throws ClipBlipError ERR_INVALID_ARGUMENT (also for a model that was trained for something else),
   * ERR_TEXT_TOO_LONG with `truncate: false`, ERR_IMAGE_DECODE, ERR_IMAGE_TOO_LARGE, ERR_QUEUE_FULL, ERR_OUT_OF_MEMORY,
   * ERR_DEVICE_LOST, ERR_CLOSED
   */
  async answer(images: ImageInput[], questions: string | string[], options: AnswerOptions = {}): Promise<Answer[]> {
    assertOptions(options, "options", ["truncate", ...GENERATION_OPTIONS, ...IMAGE_CALL_OPTIONS]);
    assertGenerationOptions(options, this.#description.contextLength);
    assertPairs(images, questions, "questions", options);
    const pairs = pairUp(images, questions, "questions");
    const operation = this.#operation("answer");
    const plan = this.#plan(options);
    this.assertOpen();
    const { truncate = true } = options;
    const requests = pairs.map((pair): AnswerRequest => ({ pair, plan, truncate, options }));
    return operation.pipeline.map(requests, options);
  }

  /**
   * Tells how well texts describe pictures, in two ways at once, and returns one match for each pair. Lists of equal
   * length are paired in order. A single text is compared with every picture, and a single picture with every text; it
   * is encoded once for all that share a batch.
   * @example
   * ```ts
   * const [match] = await blip.match(["photo.jpg"], "a woman with a dog");
   * console.log(match.probability, match.similarity);
   * ```
   * @throws ClipBlipError as `answer`
   */
  async match(images: ImageInput[], texts: string | string[], options: MatchOptions = {}): Promise<Match[]> {
    assertOptions(options, "options", ["truncate", ...IMAGE_CALL_OPTIONS]);
    assertPairs(images, texts, "texts", options);
    const pairs = pairUp(images, texts, "texts");
    const operation = this.#operation("match");
    this.assertOpen();
    const { truncate = true } = options;
    const requests = pairs.map((pair): MatchRequest => ({ pair, truncate, options }));
    return operation.pipeline.map(requests, options);
  }

  /**
   * Captions the pictures of any iterable with bounded memory. Results come in order. A picture that cannot be read gives
   * a result with an `error`, and the stream goes on.
   * @example
   * ```ts
   * for await (const { index, ...result } of blip.captionStream(paths, { prompt: "a photo of" })) {
   *   console.log(paths[index], "error" in result ? result.error.message : result.caption.text);
   * }
   * ```
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
    const operation = this.#operation("caption");
    const plan = this.#plan(options);
    this.assertOpen();
    return this.#stream(operation, requests(images, plan, options), options);
  }

  async *#stream(
    operation: NonNullable<Operations["caption"]>,
    requests: AsyncIterable<CaptionRequest>,
    options: CaptionStreamOptions,
  ): AsyncGenerator<CaptionedImage, void, undefined> {
    for await (const result of operation.pipeline.stream(requests, options)) {
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

  /** @throws ClipBlipError ERR_INVALID_ARGUMENT where the model was trained for something else */
  #operation<Name extends keyof Operations>(name: Name): NonNullable<Operations[Name]> {
    const operation = this.#operations[name];
    if (operation) return operation as NonNullable<Operations[Name]>;
    throw new ClipBlipError(
      "ERR_INVALID_ARGUMENT",
      `This model was trained for ${this.#description.task}: for ${name}() load ${MODELS[name]}`,
    );
  }

  #plan(options: GenerationOptions): GenerationPlan {
    // Only of models that write: the others have been refused.
    return planGeneration(options, this.#description as BlipWriterDescription, this.#tokenizer);
  }
}

/** What to load for each call. */
const MODELS: Record<keyof Operations, string> = {
  caption: "a BlipForConditionalGeneration checkpoint, such as Salesforce/blip-image-captioning-base",
  answer: "a BlipForQuestionAnswering checkpoint, such as Salesforce/blip-vqa-base",
  match: "a BlipForImageTextRetrieval checkpoint, such as Salesforce/blip-itm-base-coco",
};

function makeOperations(runtime: Runtime<BlipDescription>, tokenizer: BlipTokenizer): Operations {
  const { description } = runtime;
  if (description.task === "image-text-matching")
    return { match: new MatchTexts({ ...runtime, description }, tokenizer) };
  const writer = { ...runtime, description };
  return description.task === "captioning"
    ? { caption: new WriteCaptions(writer, tokenizer) }
    : { answer: new AnswerQuestions(writer, tokenizer) };
}

/** @throws ClipBlipError ERR_INVALID_ARGUMENT */
function assertPairs(images: ImageInput[], texts: string | string[], name: string, options: MatchOptions): void {
  assertImageCallOptions(options);
  assertBoolean(options.truncate, "options.truncate");
  assertImages(images, options);
  if (typeof texts !== "string") assertStrings(texts, name);
}

async function* requests(
  images: Iterable<ImageInput> | AsyncIterable<ImageInput>,
  plan: GenerationPlan,
  options: CaptionStreamOptions,
): AsyncGenerator<CaptionRequest, void, undefined> {
  for await (const image of images) yield { image, prompt: options.prompt, plan, options };
}
