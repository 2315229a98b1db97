import type { BlipDescription, BlipWriterDescription } from "../../checkpoint/description.js";
import { ClipBlipError } from "../../common/errors.js";
import { assertBoolean, assertIterable, assertOptions, assertStrings, invalidArgument } from "../../common/validate.js";
import type { ImageInput } from "../../input/types.js";
import { type BlipTokenizer, createBlipTokenizer } from "../../text/blip-tokenizer.js";
import { assertImageCallOptions, IMAGE_CALL_OPTIONS, type ImageCallOptions, imageList, textList } from "../images.js";
import type { LoadOptions } from "../load-options.js";
import { Model, openRuntime, type Runtime } from "../model.js";
import { type Answer, AnswerQuestions, type AnswerRequest } from "./answer.js";
import { type Caption, type CaptionRequest, WriteCaptions } from "./caption.js";
import { type GenerationPlan, planGeneration } from "./generation.js";
import { assertGenerationOptions, GENERATION_OPTIONS, type GenerationOptions } from "./generation-options.js";
import { type Match, type MatchRequest, MatchTexts } from "./match.js";
import { type Pair, pairUp } from "./pairs.js";

/** Options of `caption`. */
export interface CaptionOptions extends ImageCallOptions, GenerationOptions {
  /**
   * The beginning of the caption: one for all pictures, or one for each. Default: none.
   * @example
   * ```ts
   * const [caption] = await blip.caption(["photo.jpg"], { prompt: "a photograph of" });
   * ```
   */
  prompt?: string | string[] | undefined;
}

/** Options of `captionStream`. */
export interface CaptionStreamOptions extends Omit<CaptionOptions, "onProgress" | "prompt"> {
  /** The beginning of every caption. Default: none. */
  prompt?: string | undefined;
}

/** The result of one picture of a stream. */
export type CaptionedImage =
  | { index: number; input: ImageInput; caption: Caption }
  | { index: number; input: ImageInput; error: ClipBlipError };

/** Options of `answer`. */
export interface AnswerOptions extends ImageCallOptions, GenerationOptions {
  /**
   * Cut questions that are longer than the model's context, keeping the end token, as `truncation=True` does. Default
   * true; with false they reject with ERR_TEXT_TOO_LONG.
   */
  truncate?: boolean | undefined;
}

/** Options of `match`. */
export interface MatchOptions extends ImageCallOptions {
  /**
   * Cut texts that are longer than the model's context, as `AnswerOptions.truncate` does for questions. Default true.
   */
  truncate?: boolean | undefined;
}

/** The one operation that a model was trained for. */
interface Operations {
  caption?: WriteCaptions;
  answer?: AnswerQuestions;
  match?: MatchTexts;
}

/**
 * A BLIP model. It does the one task that it was trained for: write captions, answer questions, or match pictures and
 * texts.
 * @example
 * ```ts
 * import { BlipModel } from "clip-blip";
 *
 * await using blip = await BlipModel.load("Salesforce/blip-image-captioning-base");
 * const caption = await blip.caption("photo.jpg");
 * console.log(caption.text);
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
   * Loads a model. An archive can run code of its own: load only archives that you trust.
   * @param source as for `ClipModel.load`; "demo" is a small model that writes captions
   * @throws ClipBlipError as `ClipModel.load`
   * @example
   * ```ts
   * const blip = await BlipModel.load("Salesforce/blip-vqa-base", { device: "cuda" });
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
   * Writes a caption for a picture, or for each of a list, in the order given. A picture that cannot be read rejects the call with an error
   * whose `index` tells which one.
   * @throws ClipBlipError ERR_INVALID_ARGUMENT (also if the model was trained for another task), ERR_TEXT_TOO_LONG (a
   * prompt that leaves no room below maxLength), ERR_IMAGE_NOT_FOUND, ERR_IMAGE_DECODE, ERR_IMAGE_TOO_LARGE, ERR_QUEUE_FULL,
   * ERR_OUT_OF_MEMORY, ERR_DEVICE_LOST, ERR_CLOSED
   * @example
   * ```ts
   * const { text } = await blip.caption("cat.jpg");
   * const captions = await blip.caption(["cat.jpg", "dog.jpg"], { numBeams: 3, maxLength: 30 });
   * for (const { text, score } of captions) console.log(text, score);
   * ```
   */
  async caption(image: ImageInput, options?: CaptionOptions): Promise<Caption>;
  async caption(images: ImageInput[], options?: CaptionOptions): Promise<Caption[]>;
  async caption(images: ImageInput | ImageInput[], options: CaptionOptions = {}): Promise<Caption | Caption[]> {
    this.#assertCaptionOptions(options);
    const { list, single } = imageList(images, options);
    const { prompt } = options;
    if (prompt !== undefined && typeof prompt !== "string") {
      assertStrings(prompt, "options.prompt");
      if (prompt.length !== list.length) {
        throw invalidArgument(
          "options.prompt",
          `a string, or one string for each of the ${list.length} pictures`,
          prompt,
        );
      }
    }
    const operation = this.#operation("caption");
    const plan = this.#plan(options);
    this.assertOpen();
    const requests = list.map(
      (image, index): CaptionRequest => ({
        image,
        prompt: Array.isArray(prompt) ? prompt[index] : prompt,
        plan,
        options,
      }),
    );
    const captions = await operation.pipeline.map(requests, options);
    return single ? captions[0]! : captions;
  }

  /**
   * Answers questions about pictures, one answer for each pair; for one picture and one question, an answer. Equal numbers of pictures and questions are paired in
   * order; a single question is asked about every picture, and a single picture is asked every question (and encoded
   * once per batch). `maxLength` and `minLength` count the start token of the answer, but not the question.
   *
   * Each answer is the one that transformers gives to the question alone; in a batch of questions of different lengths,
   * transformers reads padding.
   * @throws ClipBlipError ERR_INVALID_ARGUMENT (also if the model was trained for another task), ERR_TEXT_TOO_LONG with
   * `truncate: false`, ERR_IMAGE_NOT_FOUND, ERR_IMAGE_DECODE, ERR_IMAGE_TOO_LARGE, ERR_QUEUE_FULL, ERR_OUT_OF_MEMORY, ERR_DEVICE_LOST,
   * ERR_CLOSED
   * @example
   * ```ts
   * const [count, color] = await blip.answer("cats.jpg", ["how many cats are there?", "what color are they?"]);
   * console.log(count.text, color.text);
   * ```
   */
  async answer(image: ImageInput, question: string, options?: AnswerOptions): Promise<Answer>;
  async answer(
    images: ImageInput | ImageInput[],
    questions: string | string[],
    options?: AnswerOptions,
  ): Promise<Answer[]>;
  async answer(
    images: ImageInput | ImageInput[],
    questions: string | string[],
    options: AnswerOptions = {},
  ): Promise<Answer | Answer[]> {
    assertOptions(options, "options", ["truncate", ...GENERATION_OPTIONS, ...IMAGE_CALL_OPTIONS]);
    assertGenerationOptions(options, this.#description.contextLength);
    const { pairs, single } = readPairs(images, questions, "questions", options);
    const operation = this.#operation("answer");
    const plan = this.#plan(options);
    this.assertOpen();
    const { truncate = true } = options;
    const requests = pairs.map((pair): AnswerRequest => ({ pair, plan, truncate, options }));
    const answers = await operation.pipeline.map(requests, options);
    return single ? answers[0]! : answers;
  }

  /**
   * Scores how well texts describe pictures, one match for each pair; for one picture and one text, a match. Equal numbers of pictures and texts are paired in
   * order; a single text is compared with every picture, and a single picture with every text (and encoded once per
   * batch).
   * @throws ClipBlipError as `answer`
   * @example
   * ```ts
   * const match = await blip.match("cat.jpg", "two cats on a sofa");
   * console.log(match.probability, match.similarity);
   * ```
   */
  async match(image: ImageInput, text: string, options?: MatchOptions): Promise<Match>;
  async match(images: ImageInput | ImageInput[], texts: string | string[], options?: MatchOptions): Promise<Match[]>;
  async match(
    images: ImageInput | ImageInput[],
    texts: string | string[],
    options: MatchOptions = {},
  ): Promise<Match | Match[]> {
    assertOptions(options, "options", ["truncate", ...IMAGE_CALL_OPTIONS]);
    const { pairs, single } = readPairs(images, texts, "texts", options);
    const operation = this.#operation("match");
    this.assertOpen();
    const { truncate = true } = options;
    const requests = pairs.map((pair): MatchRequest => ({ pair, truncate, options }));
    const matches = await operation.pipeline.map(requests, options);
    return single ? matches[0]! : matches;
  }

  /**
   * Captions the pictures of any iterable with bounded memory. Results come in order; a picture that cannot be read
   * gives a result with an `error`.
   * @throws ClipBlipError ERR_INVALID_ARGUMENT; rejects with `signal.reason` when aborted
   * @example
   * ```ts
   * for await (const result of blip.captionStream(paths, { signal: AbortSignal.timeout(60_000) })) {
   *   if ("error" in result) console.error(result.input, result.error.message);
   *   else console.log(result.input, result.caption.text);
   * }
   * ```
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

  /** @throws ClipBlipError ERR_INVALID_ARGUMENT if the model was trained for another task */
  #operation<Name extends keyof Operations>(name: Name): NonNullable<Operations[Name]> {
    const operation = this.#operations[name];
    if (operation) return operation as NonNullable<Operations[Name]>;
    throw new ClipBlipError(
      "ERR_INVALID_ARGUMENT",
      `This model was trained for ${this.#description.task}: to use ${name}(), load ${MODELS[name]}`,
    );
  }

  #plan(options: GenerationOptions): GenerationPlan {
    // Only reached for models that generate text; #operation has rejected the others.
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
function readPairs(
  images: ImageInput | ImageInput[],
  texts: string | string[],
  name: string,
  options: MatchOptions,
): { pairs: Pair[]; single: boolean } {
  assertImageCallOptions(options);
  assertBoolean(options.truncate, "options.truncate");
  const pictures = imageList(images, options);
  const sentences = textList(texts, name);
  return { pairs: pairUp(pictures.list, sentences.list, name), single: pictures.single && sentences.single };
}

async function* requests(
  images: Iterable<ImageInput> | AsyncIterable<ImageInput>,
  plan: GenerationPlan,
  options: CaptionStreamOptions,
): AsyncGenerator<CaptionRequest, void, undefined> {
  for await (const image of images) yield { image, prompt: options.prompt, plan, options };
}
