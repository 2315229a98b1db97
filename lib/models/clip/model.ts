import { type ClipDescription, textFields } from "../../checkpoint/description.js";
import { ClipBlipError } from "../../common/errors.js";
import {
  assertArray,
  assertBoolean,
  assertFunction,
  assertIterable,
  assertOptions,
  assertSignal,
  assertStrings,
  invalidArgument,
} from "../../common/validate.js";
import type { CallOptions } from "../../engine/pipeline.js";
import type { ImageInput } from "../../input/types.js";
import type { TextTokenizer } from "../../text/text-tokenizer.js";
import { assertImageCallOptions, assertImages, IMAGE_CALL_OPTIONS, type ImageCallOptions } from "../images.js";
import type { ClipLoadOptions } from "../load-options.js";
import { Model, openRuntime, type Runtime } from "../model.js";
import { EncodeImages, EncodeTexts, type ImageRequest, textTokenizer } from "./operations.js";
import { type Scoring, scoringOf } from "./scoring.js";
import { similarityMatrix, toMatrix } from "./similarity.js";
import { averageSentences, fillTemplates, readTemplates } from "./zero-shot.js";

/** Options of `encodeImages`. */
export interface EncodeImagesOptions extends ImageCallOptions {
  /** Scale each embedding to length 1, so that a dot product is a cosine similarity. Default true. */
  normalize?: boolean;
}

/** Options of `encodeTexts`. */
export interface EncodeTextsOptions extends CallOptions {
  /** Scale each embedding to length 1. Default true. */
  normalize?: boolean;
  /** Cut a text that is longer than the model's context. Default true; false rejects with ERR_TEXT_TOO_LONG. */
  truncate?: boolean;
}

/** Options of `classify`. */
export interface ClassifyOptions extends ImageCallOptions {
  /**
   * The sentence that each label is put into, at `{}`. With several, the embeddings of a label's sentences are averaged,
   * which is more robust than any one of them. Default "a photo of {}".
   * @example
   * ```ts
   * await clip.classify(["photo.jpg"], ["cat", "dog"], { template: ["a photo of a {}", "a drawing of a {}"] });
   * ```
   */
  template?: string | string[];
}

/** Options of `similarity`. */
export interface SimilarityOptions extends ImageCallOptions {
  /**
   * Return logits instead of cosines: cosines times the checkpoint's temperature, plus its bias for SigLIP, like
   * `logits_per_image` in transformers. Default false.
   */
  logits?: boolean;
}

/** An embedding that was made earlier: `dimension` numbers, not all of them zero. */
export type Embedding = Float32Array | Float64Array | number[];

/** One label and its probability. */
export interface LabelScore {
  label: string;
  /** From 0 to 1. A picture's scores sum to 1; with SigLIP each label has a probability of its own. */
  score: number;
}

/** One picture of a stream. */
export type EmbeddedImage =
  | { index: number; input: ImageInput; embedding: Float32Array }
  | { index: number; input: ImageInput; error: ClipBlipError };

/**
 * A CLIP or SigLIP model: turns pictures and texts into vectors of one space.
 * @example
 * ```ts
 * const clip = await ClipModel.load("openai/clip-vit-base-patch32");
 * const [photo] = await clip.encodeImages(["photo.jpg"]);
 * const [text] = await clip.encodeTexts(["a cat on a sofa"]);
 * console.log(cosineSimilarity(photo, text));
 * await clip.close();
 * ```
 */
export class ClipModel extends Model {
  /** Undefined in a model that has no tower for them. */
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
   * Loads a CLIP, SigLIP or SigLIP 2 model (not NaFlex).
   *
   * A checkpoint with one tower (CLIPVisionModelWithProjection, CLIPTextModelWithProjection, SiglipVisionModel,
   * SiglipTextModel) embeds only pictures, or only texts. An archive can run code of its own: load only those that you
   * trust.
   * @param source one of
   * - a hub id such as "openai/clip-vit-base-patch32"
   * - the path of a checkpoint directory of Hugging Face transformers or open_clip
   * - the path of an archive that `exportCheckpoint` wrote
   * - the path of a CLIP that OpenAI published (`ViT-B-32.pt`), whose code is not run
   * - "demo"
   * @example
   * ```ts
   * const clip = await ClipModel.load("openai/clip-vit-base-patch32", {
   *   device: "cuda",
   *   onProgress: ({ phase, loaded, total }) => console.log(phase, loaded, total),
   * });
   * ```
   * @throws ClipBlipError ERR_INVALID_ARGUMENT, ERR_MODEL_NOT_FOUND, ERR_MODEL_INVALID, ERR_MODEL_HASH, ERR_OFFLINE,
   * ERR_LIBTORCH_NOT_FOUND, ERR_LIBTORCH_VERSION, ERR_DEVICE_NOT_FOUND, ERR_OUT_OF_MEMORY
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
   * Embeds pictures. Returns one Float32Array of `dimension` numbers for each picture, in the given order. All of them
   * are views of one buffer. A picture that cannot be read rejects the call; the error's `index` says which one.
   * @example
   * ```ts
   * const [first, second] = await clip.encodeImages(["photo.jpg", await readFile("other.png")]);
   * ```
   * @throws ClipBlipError ERR_INVALID_ARGUMENT, ERR_IMAGE_DECODE, ERR_IMAGE_TOO_LARGE, ERR_QUEUE_FULL, ERR_OUT_OF_MEMORY,
   * ERR_DEVICE_LOST, ERR_CLOSED
   */
  async encodeImages(images: ImageInput[], options: EncodeImagesOptions = {}): Promise<Float32Array[]> {
    assertOptions(options, "options", ["normalize", ...IMAGE_CALL_OPTIONS]);
    assertImageCallOptions(options);
    assertBoolean(options.normalize, "options.normalize");
    assertImages(images, options);
    this.assertOpen();
    const { pipeline } = this.#imageTower("encodeImages");
    const requests = images.map((image) => ({ image, options }));
    return toMatrix(await pipeline.map(requests, options), this.#dimension);
  }

  /**
   * Embeds texts. Returns one Float32Array of `dimension` numbers for each text, in the given order. All of them are
   * views of one buffer.
   * @example
   * ```ts
   * const [query] = await clip.encodeTexts(["two dogs on a beach"], { signal: AbortSignal.timeout(1000) });
   * ```
   * @throws ClipBlipError ERR_INVALID_ARGUMENT, ERR_TEXT_TOO_LONG, ERR_QUEUE_FULL, ERR_OUT_OF_MEMORY, ERR_DEVICE_LOST,
   * ERR_CLOSED
   */
  async encodeTexts(texts: string[], options: EncodeTextsOptions = {}): Promise<Float32Array[]> {
    assertStrings(texts, "texts");
    assertOptions(options, "options", ["normalize", "truncate", "signal", "onProgress"]);
    assertSignal(options.signal, "options.signal");
    assertFunction(options.onProgress, "options.onProgress");
    assertBoolean(options.normalize, "options.normalize");
    assertBoolean(options.truncate, "options.truncate");
    this.assertOpen();
    const { pipeline } = this.#textTower("encodeTexts");
    const requests = texts.map((text) => ({ text, options }));
    return toMatrix(await pipeline.map(requests, options), this.#dimension);
  }

  /**
   * Counts the tokens of each text as the model reads it, with the start and end tokens.
   * @example
   * ```ts
   * clip.countTokens(["a red circle"]); // [5]
   * ```
   * @throws ClipBlipError ERR_INVALID_ARGUMENT, ERR_CLOSED
   */
  countTokens(texts: string[]): number[] {
    assertStrings(texts, "texts");
    this.assertOpen();
    this.#textTower("countTokens");
    return texts.map((text) => this.#tokenizer!.encode(text).length);
  }

  /**
   * Classifies pictures with labels of your choice (zero-shot). Returns the labels of each picture with their scores,
   * best first. A score is the softmax, over the labels, of the cosine similarity times the checkpoint's temperature
   * (section 3.1.2 of the CLIP paper, Radford et al., 2021). SigLIP has a sigmoid instead: all labels may fit, or none.
   * @example
   * ```ts
   * const [scores] = await clip.classify(["photo.jpg"], ["cat", "dog"]);
   * console.log(scores[0].label, scores[0].score);
   * ```
   * @throws ClipBlipError as encodeImages and encodeTexts
   */
  async classify(images: ImageInput[], labels: string[], options: ClassifyOptions = {}): Promise<LabelScore[][]> {
    assertStrings(labels, "labels");
    assertOptions(options, "options", ["template", ...IMAGE_CALL_OPTIONS]);
    const { template = "a photo of {}", ...imageOptions } = options;
    const templates = readTemplates(template);
    if (labels.length === 0) throw invalidArgument("labels", "at least one label", labels);
    this.#imageTower("classify");
    this.#textTower("classify");
    const [pictures, sentences] = await Promise.all([
      this.encodeImages(images, imageOptions),
      this.encodeTexts(fillTemplates(labels, templates), { signal: imageOptions.signal }),
    ]);
    const scoring = this.#requireScoring();
    const cosines = similarityMatrix(pictures, [...averageSentences(sentences, templates.length)]);
    return cosines.map((row) => {
      const scores = scoring.scores(Array.from(row, scoring.logit));
      return labels
        .map((label, index) => ({ label, score: scores[index]! }))
        .sort((one, other) => other.score - one.score);
    });
  }

  /**
   * Compares every picture with every text. Returns a row for each picture with a number for each text. Either list may
   * hold embeddings (`Float32Array`, `Float64Array` or arrays of numbers) instead; they are used as they are.
   * @example
   * ```ts
   * const [row] = await clip.similarity(["photo.jpg"], ["a cat", "a dog"]);
   * const rows = await clip.similarity(storedEmbeddings, ["a cat"]);
   * ```
   * @throws ClipBlipError as encodeImages and encodeTexts; ERR_INVALID_ARGUMENT for embeddings of another dimension
   */
  async similarity(
    images: ImageInput[] | Embedding[],
    texts: string[] | Embedding[],
    options: SimilarityOptions = {},
  ): Promise<Float32Array[]> {
    assertOptions(options, "options", ["logits", ...IMAGE_CALL_OPTIONS]);
    const { logits, ...imageOptions } = options;
    assertBoolean(logits, "options.logits");
    this.assertOpen();
    // Checked before the pictures are begun.
    const scoring = logits ? this.#requireScoring() : undefined;
    if (!this.#isEmbeddings(texts, "texts")) {
      assertStrings(texts, "texts");
      if (texts.length > 0) this.#textTower("similarity with texts");
    }
    const [pictures, sentences] = await Promise.all([
      this.#isEmbeddings(images, "images") ? images : this.encodeImages(images, imageOptions),
      this.#isEmbeddings(texts, "texts") ? texts : this.encodeTexts(texts, { signal: imageOptions.signal }),
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
   * Embeds the pictures of any iterable with bounded memory. Results come in order. A picture that cannot be read gives
   * a result with an `error`, and the stream goes on.
   * @example
   * ```ts
   * for await (const { index, ...result } of clip.encodeImageStream(paths)) {
   *   if ("error" in result) console.error(paths[index], result.error.code);
   *   else await store(paths[index], result.embedding);
   * }
   * ```
   * @throws ClipBlipError ERR_INVALID_ARGUMENT; rejects with `signal.reason` when aborted
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
    throw missing("image", call, "one with an image tower such as CLIPVisionModelWithProjection");
  }

  #textTower(call: string): EncodeTexts {
    if (this.#texts) return this.#texts;
    throw missing("text", call, "one with a text tower such as CLIPTextModelWithProjection");
  }

  #requireScoring(): Scoring {
    if (this.#scoring) return this.#scoring;
    throw new ClipBlipError(
      "ERR_INVALID_ARGUMENT",
      "A checkpoint with one tower has no temperature for logits: load the whole checkpoint, or ask for cosines",
    );
  }

  /** Whether a list holds embeddings and nothing else; of this model's dimension. */
  #isEmbeddings<Input>(items: Input[] | Embedding[], name: string): items is Embedding[] {
    assertArray(items, name);
    if (!isEmbedding(items[0])) return false;
    for (let index = 0; index < items.length; index++) {
      const item: unknown = items[index];
      if (isEmbedding(item) && item.length === this.#dimension) continue;
      throw invalidArgument(`${name}[${index}]`, `an embedding of ${this.#dimension} numbers`, item).at(index);
    }
    return true;
  }
}

function missing(tower: string, call: string, other: string): ClipBlipError {
  return new ClipBlipError(
    "ERR_INVALID_ARGUMENT",
    `This checkpoint has no ${tower} tower: ${call} needs a whole checkpoint, or ${other}`,
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

/** Typed arrays of other kinds are the bytes of pictures. */
function isEmbedding(value: unknown): value is Embedding {
  return value instanceof Float32Array || value instanceof Float64Array || Array.isArray(value);
}

async function* requests(
  images: Iterable<ImageInput> | AsyncIterable<ImageInput>,
  options: EncodeImagesOptions,
): AsyncGenerator<ImageRequest, void, undefined> {
  for await (const image of images) yield { image, options };
}
