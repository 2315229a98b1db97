import { types } from "node:util";
import { type ClipDescription, textFields } from "../../checkpoint/description.js";
import { ClipBlipError } from "../../common/errors.js";
import {
  assertBoolean,
  assertFunction,
  assertInteger,
  assertIterable,
  assertOptions,
  assertSignal,
  assertStrings,
  invalidArgument,
} from "../../common/validate.js";
import type { CallOptions } from "../../engine/pipeline.js";
import type { ImageInput } from "../../input/types.js";
import type { TextTokenizer } from "../../text/text-tokenizer.js";
import { assertImageCallOptions, IMAGE_CALL_OPTIONS, type ImageCallOptions, imageList, textList } from "../images.js";
import type { ClipLoadOptions } from "../load-options.js";
import { Model, openRuntime, type Runtime } from "../model.js";
import { EncodeImages, EncodeTexts, type ImageRequest, textTokenizer } from "./operations.js";
import { type Scoring, scoringOf } from "./scoring.js";
import { assertVectors, similarityMatrix, toMatrix } from "./similarity.js";
import { averageSentences, fillTemplates, readTemplates } from "./zero-shot.js";

/** Options of `encodeImages`. */
export interface EncodeImagesOptions extends ImageCallOptions {
  /** Scale each embedding to length 1, so that a dot product is a cosine similarity. Default true. */
  normalize?: boolean | undefined;
}

/** Options of `encodeTexts`. */
export interface EncodeTextsOptions extends CallOptions {
  /** Scale each embedding to length 1. Default true. */
  normalize?: boolean | undefined;
  /**
   * Cut texts that are longer than the model's context. Default true; with false they reject with ERR_TEXT_TOO_LONG.
   */
  truncate?: boolean | undefined;
}

/** Options of `classify`. */
export interface ClassifyOptions extends ImageCallOptions {
  /**
   * The sentence that each label is put into, at `{}`. The embeddings of several sentences are averaged, which is more
   * robust than a single one. Default "a photo of {}".
   * @example
   * ```ts
   * const template = ["a photo of a {}", "a drawing of a {}", "a close-up of a {}"];
   * const [scores] = await clip.classify(["photo.jpg"], ["cat", "dog"], { template });
   * ```
   */
  template?: string | string[] | undefined;
  /** Return only the best labels, at most so many. Scores are still over all labels. Default: all. */
  topK?: number | undefined;
}

/** Options of `similarity`. */
export interface SimilarityOptions extends ImageCallOptions {
  /**
   * Return logits instead of cosines: the cosine times the checkpoint's logit scale, for SigLIP plus its bias, as
   * transformers' `logits_per_image`. Default false.
   */
  logits?: boolean | undefined;
}

/** An embedding computed earlier: `dimension` numbers, not all of them 0; it need not be normalized. */
export type Embedding = Float32Array | Float64Array | number[];

/** A label and its score. */
export interface LabelScore {
  label: string;
  /** From 0 to 1. CLIP: the scores of a picture sum to 1. SigLIP: the probability of each label on its own. */
  score: number;
}

/** The result of one picture of a stream. */
export type EmbeddedImage =
  | { index: number; input: ImageInput; embedding: Float32Array }
  | { index: number; input: ImageInput; error: ClipBlipError };

/**
 * A CLIP or SigLIP model: embeds pictures and texts as vectors in a common space.
 * @example
 * ```ts
 * import { ClipModel } from "clip-blip";
 *
 * await using clip = await ClipModel.load("openai/clip-vit-base-patch32");
 * const [best] = await clip.classify("photo.jpg", ["a cat", "a dog"]);
 * console.log(best.label);
 * ```
 */
export class ClipModel extends Model {
  /** Undefined if the model lacks the tower. */
  readonly #images: EncodeImages | undefined;
  readonly #texts: EncodeTexts | undefined;
  readonly #tokenizer: TextTokenizer | undefined;
  readonly #dimension: number;
  readonly #scoring: Scoring | undefined;

  private constructor(
    runtime: Runtime<ClipDescription>,
    images: EncodeImages | undefined,
    texts: EncodeTexts | undefined,
    tokenizer: TextTokenizer | undefined,
  ) {
    super(
      runtime,
      [images, texts].filter((operation) => operation !== undefined),
    );
    this.#images = images;
    this.#texts = texts;
    this.#tokenizer = tokenizer;
    this.#dimension = runtime.description.dimension;
    this.#scoring = scoringOf(runtime.description);
  }

  /**
   * Loads a CLIP, SigLIP or SigLIP 2 model (except NaFlex). A checkpoint with one tower only
   * (CLIPVisionModelWithProjection, CLIPTextModelWithProjection, SiglipVisionModel, SiglipTextModel) embeds only
   * pictures or only texts.
   *
   * An archive can run code of its own: load only archives that you trust.
   * @param source one of
   * - a hub id such as "openai/clip-vit-base-patch32"
   * - the path of a checkpoint directory of Hugging Face transformers or open_clip
   * - the path of an archive written by `exportCheckpoint`
   * - the path of a CLIP file as published by OpenAI (`ViT-B-32.pt`), whose code is not run
   * - "demo", a small model for trying things out
   * @throws ClipBlipError ERR_INVALID_ARGUMENT, ERR_MODEL_NOT_FOUND, ERR_MODEL_INVALID, ERR_MODEL_HASH, ERR_OFFLINE,
   * ERR_LIBTORCH_NOT_FOUND, ERR_LIBTORCH_VERSION, ERR_DEVICE_NOT_FOUND, ERR_OUT_OF_MEMORY
   * @example
   * ```ts
   * const clip = await ClipModel.load("openai/clip-vit-base-patch32", {
   *   device: "cuda:0",
   *   onProgress: ({ phase, file }) => console.log(phase, file ?? ""),
   * });
   * ```
   */
  static async load(source: string, options: ClipLoadOptions = {}): Promise<ClipModel> {
    const runtime = await openRuntime(source, "clip", options);
    try {
      const { imageSize } = runtime.description;
      const text = textFields(runtime.description);
      const tokenizer = text && textTokenizer(runtime, text);
      const model = new ClipModel(
        runtime,
        imageSize === undefined ? undefined : new EncodeImages(runtime, imageSize),
        tokenizer && new EncodeTexts(runtime, text, tokenizer),
        tokenizer,
      );
      await model.firstProbe();
      return model;
    } catch (error) {
      await runtime.host.close();
      throw error;
    }
  }

  /**
   * Embeds a picture, or a list of them. Returns a Float32Array of `dimension` numbers for a picture; for a list one
   * for each, in the order given, all views of one buffer. A picture that cannot be read rejects the call with an error
   * whose `index` tells which one.
   * @throws ClipBlipError ERR_INVALID_ARGUMENT, ERR_IMAGE_NOT_FOUND, ERR_IMAGE_DECODE, ERR_IMAGE_TOO_LARGE, ERR_QUEUE_FULL,
   * ERR_OUT_OF_MEMORY, ERR_DEVICE_LOST, ERR_CLOSED
   * @example
   * ```ts
   * const cat = await clip.encodeImages("cat.jpg");
   * const [dog, bird] = await clip.encodeImages(["dog.jpg", await readFile("bird.png")]);
   * console.log(cosineSimilarity(cat, dog));
   * ```
   */
  async encodeImages(image: ImageInput, options?: EncodeImagesOptions): Promise<Float32Array>;
  async encodeImages(images: ImageInput[], options?: EncodeImagesOptions): Promise<Float32Array[]>;
  async encodeImages(
    images: ImageInput | ImageInput[],
    options: EncodeImagesOptions = {},
  ): Promise<Float32Array | Float32Array[]> {
    assertOptions(options, "options", ["normalize", ...IMAGE_CALL_OPTIONS]);
    assertImageCallOptions(options);
    assertBoolean(options.normalize, "options.normalize");
    const { list, single } = imageList(images, options);
    this.assertOpen();
    const { pipeline } = this.#imageTower("encodeImages");
    const requests = list.map((image) => ({ image, options }));
    const rows = toMatrix(await pipeline.map(requests, options), this.#dimension);
    return single ? rows[0]! : rows;
  }

  /**
   * Embeds a text, or a list of them. Returns a Float32Array of `dimension` numbers for a text; for a list one for each,
   * in the order given, all views of one buffer.
   * @throws ClipBlipError ERR_INVALID_ARGUMENT, ERR_TEXT_TOO_LONG, ERR_QUEUE_FULL, ERR_OUT_OF_MEMORY, ERR_DEVICE_LOST,
   * ERR_CLOSED
   * @example
   * ```ts
   * const embedding = await clip.encodeTexts("a red bicycle", { signal: AbortSignal.timeout(5_000) });
   * console.log(embedding.length); // 512 for ViT-B/32
   * ```
   */
  async encodeTexts(text: string, options?: EncodeTextsOptions): Promise<Float32Array>;
  async encodeTexts(texts: string[], options?: EncodeTextsOptions): Promise<Float32Array[]>;
  async encodeTexts(
    texts: string | string[],
    options: EncodeTextsOptions = {},
  ): Promise<Float32Array | Float32Array[]> {
    const { list, single } = textList(texts, "texts");
    assertOptions(options, "options", ["normalize", "truncate", "signal", "onProgress"]);
    assertSignal(options.signal, "options.signal");
    assertFunction(options.onProgress, "options.onProgress");
    assertBoolean(options.normalize, "options.normalize");
    assertBoolean(options.truncate, "options.truncate");
    this.assertOpen();
    const { pipeline } = this.#textTower("encodeTexts");
    const requests = list.map((text) => ({ text, options }));
    const rows = toMatrix(await pipeline.map(requests, options), this.#dimension);
    return single ? rows[0]! : rows;
  }

  /**
   * Counts the tokens that the model reads of each text after truncation, start and end token included.
   * @throws ClipBlipError ERR_INVALID_ARGUMENT, ERR_CLOSED
   * @example
   * ```ts
   * clip.countTokens(["a red circle"]); // [5]
   * ```
   */
  countTokens(texts: string[]): number[] {
    assertStrings(texts, "texts");
    this.assertOpen();
    this.#textTower("countTokens");
    return texts.map((text) => this.#tokenizer!.encode(text).length);
  }

  /**
   * Scores labels for a picture, or for each of a list, without training on them (zero-shot), best label first. CLIP: the softmax over the
   * labels' logits (cosine times the checkpoint's logit scale), as in section 3.1.2 of the CLIP paper (Radford et al.,
   * 2021). SigLIP: the sigmoid of each label's logit, so that several labels or none may fit.
   * @throws ClipBlipError as encodeImages and encodeTexts
   * @example
   * ```ts
   * const [best] = await clip.classify("photo.jpg", ["cat", "dog"], { template: "a photo of a {}" });
   * console.log(best.label, best.score);
   * ```
   */
  async classify(image: ImageInput, labels: string[], options?: ClassifyOptions): Promise<LabelScore[]>;
  async classify(images: ImageInput[], labels: string[], options?: ClassifyOptions): Promise<LabelScore[][]>;
  async classify(
    images: ImageInput | ImageInput[],
    labels: string[],
    options: ClassifyOptions = {},
  ): Promise<LabelScore[] | LabelScore[][]> {
    assertStrings(labels, "labels");
    assertOptions(options, "options", ["template", "topK", ...IMAGE_CALL_OPTIONS]);
    const { template = "a photo of {}", topK, ...imageOptions } = options;
    assertInteger(topK, "options.topK", 1);
    const templates = readTemplates(template);
    if (labels.length === 0) throw invalidArgument("labels", "at least one label", labels);
    this.#imageTower("classify");
    this.#textTower("classify");
    const { list, single } = imageList(images, imageOptions);
    const [pictures, sentences] = await Promise.all([
      this.encodeImages(list, imageOptions),
      this.encodeTexts(fillTemplates(labels, templates), { signal: imageOptions.signal }),
    ]);
    const scoring = this.#requireScoring();
    const cosines = similarityMatrix(pictures, [...averageSentences(sentences, templates.length)]);
    const rows = cosines.map((row) => {
      const scores = scoring.scores(Array.from(row, scoring.logit));
      return labels
        .map((label, index) => ({ label, score: scores[index]! }))
        .sort((one, other) => other.score - one.score)
        .slice(0, topK);
    });
    return single ? rows[0]! : rows;
  }

  /**
   * Compares every picture with every text. Returns a row for each picture with a number for each text; all rows are
   * views of one buffer. A single picture or text stands for a list of one. Embeddings (`Float32Array`, `Float64Array` or arrays of numbers) may take the place of the
   * pictures or the texts.
   * @throws ClipBlipError as encodeImages and encodeTexts; ERR_INVALID_ARGUMENT for embeddings of another dimension
   * @example
   * ```ts
   * const stored = await clip.encodeImages(["cat.jpg", "dog.jpg"]);
   * const rows = await clip.similarity(stored, ["a cat", "a dog"]);
   * console.log(rows[0][1]); // cat.jpg and "a dog"
   * ```
   */
  async similarity(
    images: ImageInput | ImageInput[] | Embedding | Embedding[],
    texts: string | string[] | Embedding | Embedding[],
    options: SimilarityOptions = {},
  ): Promise<Float32Array[]> {
    const [allImages, allTexts] = [listOf<ImageInput>(images), listOf<string>(texts)];
    assertOptions(options, "options", ["logits", ...IMAGE_CALL_OPTIONS]);
    const { logits, ...imageOptions } = options;
    assertBoolean(logits, "options.logits");
    this.assertOpen();
    // Checked before any picture is read.
    const scoring = logits ? this.#requireScoring() : undefined;
    if (!this.#isEmbeddings(allTexts, "texts")) {
      assertStrings(allTexts, "texts");
      if (allTexts.length > 0) this.#textTower("similarity with texts");
    }
    const [pictures, sentences] = await Promise.all([
      this.#isEmbeddings(allImages, "images") ? allImages : this.encodeImages(allImages, imageOptions),
      this.#isEmbeddings(allTexts, "texts") ? allTexts : this.encodeTexts(allTexts, { signal: imageOptions.signal }),
    ]);
    const cosines = similarityMatrix(pictures, sentences);
    return scoring
      ? toMatrix(
          cosines.map((row) => row.map(scoring.logit)),
          cosines[0]?.length ?? 0,
        )
      : cosines;
  }

  /**
   * Embeds the pictures of any iterable with bounded memory. Results come in order; a picture that cannot be read gives
   * a result with an `error`.
   * @throws ClipBlipError ERR_INVALID_ARGUMENT; rejects with `signal.reason` when aborted
   * @example
   * ```ts
   * for await (const result of clip.encodeImageStream(paths)) {
   *   if ("error" in result) console.error(result.input, result.error.message);
   *   else console.log(result.input, result.embedding);
   * }
   * ```
   */
  encodeImageStream(
    images: Iterable<ImageInput> | AsyncIterable<ImageInput>,
    options: Omit<EncodeImagesOptions, "onProgress"> = {},
  ): AsyncGenerator<EmbeddedImage, void, undefined> {
    assertIterable(images, "images");
    assertOptions(options, "options", ["normalize", ...IMAGE_CALL_OPTIONS]);
    assertImageCallOptions(options);
    assertBoolean(options.normalize, "options.normalize");
    this.assertOpen();
    const { pipeline } = this.#imageTower("encodeImageStream");
    return embeddedImages(pipeline.stream(requests(images, options), options));
  }

  #imageTower(call: string): EncodeImages {
    if (this.#images) return this.#images;
    throw missing("image", call, "a vision model such as CLIPVisionModelWithProjection");
  }

  #textTower(call: string): EncodeTexts {
    if (this.#texts) return this.#texts;
    throw missing("text", call, "a text model such as CLIPTextModelWithProjection");
  }

  #requireScoring(): Scoring {
    if (this.#scoring) return this.#scoring;
    throw new ClipBlipError(
      "ERR_INVALID_ARGUMENT",
      "This checkpoint has only one tower and no logit scale: load a complete checkpoint, or compare without logits",
    );
  }

  /** Whether a list holds embeddings, judged by its first item; throws if any other is not one of this model's dimension. */
  #isEmbeddings<Input>(items: Input[] | Embedding[], name: string): items is Embedding[] {
    if (!isEmbedding(items[0])) return false;
    for (let index = 0; index < items.length; index++) {
      const item: unknown = items[index];
      if (!isEmbedding(item) || item.length !== this.#dimension) {
        throw invalidArgument(`${name}[${index}]`, `an embedding of ${this.#dimension} numbers`, item).at(index);
      }
    }
    assertVectors(items, name);
    return true;
  }
}

function missing(tower: string, call: string, alternative: string): ClipBlipError {
  return new ClipBlipError(
    "ERR_INVALID_ARGUMENT",
    `This checkpoint has no ${tower} tower: ${call} needs a complete checkpoint, or ${alternative}`,
  );
}

async function* embeddedImages(
  results: ReturnType<EncodeImages["pipeline"]["stream"]>,
): AsyncGenerator<EmbeddedImage, void, undefined> {
  for await (const result of results) {
    const { index, input } = result;
    yield "error" in result
      ? { index, input: input.image, error: result.error }
      : { index, input: input.image, embedding: result.value.slice() };
  }
}

/** One input as a list of one. An array of numbers is one embedding. */
function listOf<Input>(value: Input | Input[] | Embedding | Embedding[]): Input[] | Embedding[] {
  const isList = Array.isArray(value) && typeof value[0] !== "number";
  return (isList ? value : [value]) as Input[] | Embedding[];
}

/** Typed arrays of other kinds are encoded pictures. */
function isEmbedding(value: unknown): value is Embedding {
  return types.isFloat32Array(value) || types.isFloat64Array(value) || Array.isArray(value);
}

async function* requests(
  images: Iterable<ImageInput> | AsyncIterable<ImageInput>,
  options: EncodeImagesOptions,
): AsyncGenerator<ImageRequest, void, undefined> {
  for await (const image of images) yield { image, options };
}
