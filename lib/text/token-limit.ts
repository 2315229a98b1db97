import type { Body, Cut, Encoder } from "./encoder.js";
import type { Ends } from "./ends.js";
import type { JsonPart } from "./load-tokenizer.js";
import { tooLong } from "./text-tokenizer.js";

/** How many tokens a text may have, and what happens to longer ones. */
export class TokenLimit {
  /**
   * The model's positions, or `model_max_length` of tokenizer_config.json if that is less, as with `truncation=True` in
   * transformers.
   */
  readonly tokens: number;
  readonly #ends: Ends;
  readonly #room: number;
  readonly #cutsStart: boolean;

  /**
   * @param positions of the model
   * @param config tokenizer_config.json
   * @param ends what every text begins and ends with
   */
  constructor(positions: number, { model_max_length: limit, truncation_side: side }: JsonPart, ends: Ends) {
    this.tokens = typeof limit === "number" && limit >= 1 ? Math.min(positions, Math.floor(limit)) : positions;
    this.#ends = ends;
    this.#room = Math.max(0, this.tokens - ends.before.length - ends.after.length);
    this.#cutsStart = side === "left";
  }

  /**
   * The ids of a text, as far as they can be among those kept.
   * @param shorten see `Encoder.encode`
   */
  encode(encoder: Encoder, text: string, shorten: (text: string) => Cut): Body {
    // What is kept of a text that loses its beginning depends on all of it.
    if (this.#cutsStart) return encoder.encode(text, Number.POSITIVE_INFINITY, (part) => ({ text: part, cut: false }));
    return encoder.encode(text, this.#room, shorten);
  }

  /**
   * A text's ids with those around it, cut if there are too many.
   * @throws ERR_TEXT_TOO_LONG if it is too long and `truncate` is false
   */
  apply({ ids, cut }: Body, { truncate }: { truncate: boolean }): number[] {
    const { before, after } = this.#ends;
    if (ids.length > this.#room && !truncate) {
      throw tooLong(ids.length + before.length + after.length, this.tokens, cut);
    }
    const kept = this.#cutsStart ? ids.slice(Math.max(0, ids.length - this.#room)) : ids.slice(0, this.#room);
    return [...before, ...kept, ...after];
  }
}
