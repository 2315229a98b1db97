import { types } from "node:util";
import type { BlipWriterDescription } from "../../checkpoint/description.js";
import { Operation } from "../../engine/operation.js";
import type { ImageInput } from "../../input/types.js";
import type { ModuleHandle, NativeBinding, Prompt, RunOptions } from "../../native/types.js";
import type { BlipTokenizer } from "../../text/blip-tokenizer.js";
import { maxUsefulBatch } from "../batch-size.js";
import type { ImageReader, ReadOptions } from "../image-reader.js";
import type { Runtime } from "../model.js";
import { decoderRows, type GeneratedText, type GenerationPlan, generatedTexts, samplePlan } from "./generation.js";
import { blipImageReader } from "./pairs.js";

/** The caption of a picture. */
export interface Caption extends GeneratedText {
  /** The other texts requested by `numReturnSequences`, best first (samples: in the order drawn). */
  alternatives: GeneratedText[];
}

/** One picture, and what else its caption depends on. */
export interface CaptionRequest {
  image: ImageInput;
  prompt: string | undefined;
  plan: GenerationPlan;
  options: ReadOptions;
}

/** A prepared picture with the tokens of its prompt. */
export interface CaptionItem {
  pixels: Uint8Array;
  prompt: Prompt;
  plan: GenerationPlan;
}

/** Writes captions for pictures. */
export class WriteCaptions extends Operation<CaptionRequest, CaptionItem, Caption> {
  readonly name = "caption";
  readonly #native: NativeBinding;
  readonly #reader: ImageReader;
  readonly #tokenizer: BlipTokenizer;
  readonly #sample: CaptionItem;

  constructor(runtime: Runtime<BlipWriterDescription>, tokenizer: BlipTokenizer) {
    super(runtime, maxUsefulBatch("blip", runtime.device));
    this.#native = runtime.native;
    this.#reader = blipImageReader(runtime);
    this.#tokenizer = tokenizer;
    this.#sample = { pixels: this.#reader.blank(), ...samplePlan(runtime.description, tokenizer) };
  }

  prepare({ image, prompt: text, plan, options }: CaptionRequest, signal: AbortSignal) {
    // Text first: it is cheap to reject.
    const prompt = plan.prompt(this.#tokenizer.encodePrompt(text ?? ""));
    const pixels = this.#reader.read(image, options, signal);
    return types.isPromise(pixels)
      ? pixels.then((ready): CaptionItem => ({ pixels: ready, prompt, plan }))
      : { pixels, prompt, plan };
  }

  key({ plan }: CaptionItem): string {
    return plan.key;
  }

  override rows({ plan }: CaptionItem): number {
    return decoderRows(plan);
  }

  protected async run(module: ModuleHandle, items: CaptionItem[], options: RunOptions) {
    const { plan } = items[0]!;
    const pixels = items.map((item) => item.pixels);
    const prompts = items.map((item) => item.prompt);
    const batch = this.#reader.batch(pixels);
    const result = await this.#native.caption(module, batch, prompts, plan.native, options);
    // Only after success: a batch that ran out of memory is run again.
    this.#reader.release(pixels);
    const values = generatedTexts(result, plan, this.#tokenizer).map(
      ([best, ...alternatives]): Caption => ({ ...best!, alternatives }),
    );
    return { values, peakBytes: result.peakBytes };
  }

  protected sample(): CaptionItem {
    return this.#sample;
  }
}
