import { invalidModel } from "../invalid.js";
import { JsonObject } from "../json.js";

/** Roles of special tokens, named as in tokenizer_config.json. */
export type TokenRole = "bos_token" | "eos_token" | "pad_token";

/** Finds the ids of special tokens in the files of a tokenizer. */
export class SpecialTokens {
  /** tokenizer_config.json. */
  readonly config: JsonObject;
  readonly #ids = new Map<string, number>();

  /**
   * @param tokenizer contents of tokenizer.json
   * @param config contents of tokenizer_config.json
   * @throws ClipBlipError ERR_MODEL_INVALID if either is malformed
   */
  constructor(tokenizer: string, config: string | undefined) {
    this.config = JsonObject.parse(config ?? "{}", "tokenizer_config.json");
    const json = JsonObject.parse(tokenizer, "tokenizer.json");
    // An object that maps tokens to ids, or a list of pieces with scores, whose indices are the ids.
    const vocabulary = json.object("model")?.raw("vocab") ?? {};
    const entries: [unknown, unknown][] = Array.isArray(vocabulary)
      ? vocabulary.map((piece: unknown, id) => [Array.isArray(piece) ? piece[0] : undefined, id])
      : Object.entries(vocabulary as object);
    for (const [word, id] of entries) {
      if (typeof word === "string" && typeof id === "number") this.#ids.set(word, id);
    }
    const added = json.raw("added_tokens");
    for (const entry of Array.isArray(added) ? added : []) {
      const token = new JsonObject(entry, "tokenizer.json: added_tokens");
      this.#ids.set(token.text("content"), token.integer("id"));
    }
  }

  /**
   * The id of the token with a role; undefined if the files do not define it.
   * @throws ClipBlipError ERR_MODEL_INVALID if the id is not below `vocabularySize`
   */
  id(role: TokenRole, vocabularySize: number): number | undefined {
    const token = this.config.raw(role);
    // In older files, a token is an object with its text in `content`.
    const text = typeof token === "object" ? new JsonObject(token, role).text("content", "") : token;
    const id = typeof text === "string" ? this.#ids.get(text) : undefined;
    if (id !== undefined && id >= vocabularySize) {
      throw invalidModel(
        `tokenizer.json gives ${role} the id ${id}, but the model has only ${vocabularySize} tokens: the file belongs to another model`,
      );
    }
    return id;
  }
}
