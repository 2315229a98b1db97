import type { BlipWriterDescription } from "../../checkpoint/description.js";
import { Operation } from "../../engine/operation.js";
import type { ModuleHandle, NativeBinding, Prompt, RunOptions } from "../../native/types.js";
import type { BlipTokenizer } from "../../text/blip-tokenizer.js";
import { maxUsefulBatch } from "../batch-size.js";
import type { ImageReader, ReadOptions } from "../image-reader.js";
import type { Runtime } from "../model.js";
import { decoderRows, type GeneratedText, type GenerationPlan, generatedTexts, samplePlan } from "./generation.js";
import { blipImageReader, distinctPictures, type Pair, sampleText, sharedPixels } from "./pairs.js";

/** The answer to a question about a picture. */
export interface Answer extends GeneratedText {
  /** The other texts requested by `numReturnSequences`, best first (samples: in the order drawn). */
  alternatives: GeneratedText[];
}

/** One question about one picture. */
export interface AnswerRequest {
  pair: Pair;
  plan: GenerationPlan;
  truncate: boolean;
  options: ReadOptions;
}

/** A prepared picture with the tokens of a question. */
export interface AnswerItem {
  pixels: Uint8Array;
  textIds: number[];
  prompt: Prompt;
  plan: GenerationPlan;
}

/** Answers questions about pictures. */
export class AnswerQuestions extends Operation<AnswerRequest, AnswerItem, Answer> {
  readonly name = "answer";
  readonly #native: NativeBinding;
  readonly #reader: ImageReader;
  readonly #tokenizer: BlipTokenizer;
  readonly #startTokenId: number;
  readonly #sample: Omit<AnswerItem, "pixels">;

  constructor(runtime: Runtime<BlipWriterDescription>, tokenizer: BlipTokenizer) {
    super(runtime, maxUsefulBatch("blip", runtime.device));
    const { native, description } = runtime;
    this.#native = native;
    this.#reader = blipImageReader(runtime);
    this.#tokenizer = tokenizer;
    this.#startTokenId = description.startTokenId;
    this.#sample = { textIds: sampleText(description), ...samplePlan(description, tokenizer) };
  }

  async prepare({ pair, plan, truncate, options }: AnswerRequest, signal: AbortSignal): Promise<AnswerItem> {
    // Text first: it is cheap to reject.
    const textIds = this.#tokenizer.encodeText(pair.text, { truncate });
    // An answer starts with the start token alone; BLIP reads the question together with the picture.
    const prompt = plan.prompt([this.#startTokenId]);
    return { pixels: await sharedPixels(this.#reader, pair.image, options, signal), textIds, prompt, plan };
  }

  key({ plan }: AnswerItem): string {
    return plan.key;
  }

  override rows({ plan }: AnswerItem): number {
    return decoderRows(plan);
  }

  protected async run(module: ModuleHandle, items: AnswerItem[], options: RunOptions) {
    const { plan } = items[0]!;
    const { pixels, about } = distinctPictures(items);
    const prompts = items.map((item) => item.prompt);
    const batch = this.#reader.batch(pixels);
    const result = await this.#native.answer(module, batch, about, prompts, plan.native, options);
    const values = generatedTexts(result, plan, this.#tokenizer).map(
      ([best, ...alternatives]): Answer => ({ ...best!, alternatives }),
    );
    return { values, peakBytes: result.peakBytes };
  }

  /** Each sample has its own picture, the worst case for memory. */
  protected sample(): AnswerItem {
    return { ...this.#sample, pixels: this.#reader.blank() };
  }
}
