import type { BlipMatcherDescription } from "../../checkpoint/description.js";
import { Operation } from "../../engine/operation.js";
import type { ModuleHandle, NativeBinding, RunOptions } from "../../native/types.js";
import type { BlipTokenizer } from "../../text/blip-tokenizer.js";
import { maxUsefulBatch } from "../batch-size.js";
import type { ImageReader, ReadOptions } from "../image-reader.js";
import type { Runtime } from "../model.js";
import { blipImageReader, distinctPictures, type Pair, sampleText, sharedPixels } from "./pairs.js";

/** How well a text describes a picture, by two measures. */
export interface Match {
  /**
   * Probability that the text describes the picture, from 0 to 1, by the matching head, which reads both together
   * (ITM).
   */
  probability: number;
  /** Cosine of the two embeddings in the common space, from -1 to 1, each encoded on its own (ITC). */
  similarity: number;
}

/** One text about one picture. */
export interface MatchRequest {
  pair: Pair;
  truncate: boolean;
  options: ReadOptions;
}

/** A prepared picture with the tokens of a text. */
export interface MatchItem {
  pixels: Uint8Array;
  textIds: number[];
}

/** Scores how well pairs of pictures and texts match. */
export class MatchTexts extends Operation<MatchRequest, MatchItem, Match> {
  readonly name = "match";
  readonly #native: NativeBinding;
  readonly #reader: ImageReader;
  readonly #tokenizer: BlipTokenizer;
  readonly #sampleText: number[];

  constructor(runtime: Runtime<BlipMatcherDescription>, tokenizer: BlipTokenizer) {
    super(runtime, maxUsefulBatch("blip", runtime.device));
    this.#native = runtime.native;
    this.#reader = blipImageReader(runtime);
    this.#tokenizer = tokenizer;
    this.#sampleText = sampleText(runtime.description);
  }

  async prepare({ pair, truncate, options }: MatchRequest, signal: AbortSignal): Promise<MatchItem> {
    // Text first: it is cheap to reject.
    const textIds = this.#tokenizer.encodeText(pair.text, { truncate });
    return { pixels: await sharedPixels(this.#reader, pair.image, options, signal), textIds };
  }

  key(): string {
    return "";
  }

  protected async run(module: ModuleHandle, items: MatchItem[], options: RunOptions) {
    const { pixels, about } = distinctPictures(items);
    const result = await this.#native.match(module, this.#reader.batch(pixels), about, options);
    const { probabilities, similarities, peakBytes } = result;
    const values = items.map(
      (_, index): Match => ({ probability: probabilities[index]!, similarity: similarities[index]! }),
    );
    return { values, peakBytes };
  }

  /** Each sample has its own picture, the worst case for memory. */
  protected sample(): MatchItem {
    return { pixels: this.#reader.blank(), textIds: this.#sampleText };
  }
}
