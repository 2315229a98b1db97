import { type AddedToken, AddedVocabulary } from "./added-tokens.js";
import { type Ends, readEnds } from "./ends.js";
import { type JsonPart, makeTokenizer } from "./load-tokenizer.js";
import { lowerSigma, separateIdeographs } from "./python-parity.js";

/** A text that may have been cut before it was tokenized. */
export interface Cut {
  text: string;
  cut: boolean;
}

/** Ids of a text without those around it. */
export interface Body {
  ids: number[];
  /** Whether the rest of the text was not read, so that there are more ids than these. */
  cut: boolean;
}

/**
 * Encodes texts as the tokenizers library does. Added tokens are found here, because the JavaScript library also finds
 * them in lowercased text, does not know words of their own, and takes them for pieces of other words.
 */
export class Encoder {
  /** Ids of all tokens. */
  readonly ids: ReadonlyMap<string, number>;
  readonly ends: Ends;
  readonly added: AddedVocabulary;
  /** Length of the longest token, in UTF-16 code units. */
  readonly longestToken: number;
  readonly #model: ReturnType<typeof makeTokenizer>;

  /**
   * @param tokenizer tokenizer.json
   * @throws ERR_MODEL_INVALID
   */
  constructor(tokenizer: JsonPart) {
    const added = readAddedTokens(tokenizer);
    this.#model = makeTokenizer({ ...tokenizer, added_tokens: [], normalizer: null, post_processor: null }, {});
    const { normalizer } = makeTokenizer(
      { ...tokenizer, added_tokens: [], model: EMPTY_MODEL, pre_tokenizer: null, post_processor: null },
      {},
    );
    const fixes = parityFixes(tokenizer.normalizer);
    const normalize = (text: string) => (normalizer === null ? text : normalizer(fixes(text)));
    this.added = new AddedVocabulary(added, normalize);
    const vocabulary = [...this.#model.get_vocab(false)].filter(([token]) => token !== undefined);
    this.ids = new Map([...vocabulary, ...added.map(({ content, id }) => [content, id] as const)]);
    this.longestToken = [...this.ids.keys()].reduce((most, token) => Math.max(most, token.length), 1);
    this.ends = readEnds(tokenizer, this.ids);
  }

  /**
   * The ids of a text, without those around it; at least `count` of them, if there are so many.
   * @param shorten cuts the text between added tokens, where that cannot change its first `count` ids
   */
  encode(text: string, count: number, shorten: (text: string) => Cut): Body {
    const ids: number[] = [];
    for (const part of this.added.split(text)) {
      if (ids.length > count) return { ids, cut: true };
      if (typeof part === "object") ids.push(part.id);
      else {
        const { text: short, cut } = shorten(part);
        for (const piece of this.added.splitNormalized(short)) {
          if (typeof piece === "object") ids.push(piece.id);
          else for (const id of this.#model.encode(piece, { add_special_tokens: false }).ids) ids.push(id);
        }
        if (cut) return { ids, cut };
      }
    }
    return { ids, cut: false };
  }
}

const EMPTY_MODEL = { type: "WordPiece", vocab: {}, unk_token: "" };

/** What is done before the JavaScript library's normalizers, so that they do what Rust's do. */
function parityFixes(normalizer: unknown): (text: string) => string {
  const described = JSON.stringify(normalizer ?? null);
  const bert = described.includes('"BertNormalizer"');
  const lowers = bert ? !described.includes('"lowercase":false') : described.includes('"Lowercase"');
  const separates = bert && !described.includes('"handle_chinese_chars":false');
  return (text) => {
    const sigma = lowers ? lowerSigma(text) : text;
    return separates ? separateIdeographs(sigma) : sigma;
  };
}

/** The added tokens of a tokenizer.json. */
export function readAddedTokens({ added_tokens: added }: JsonPart): AddedToken[] {
  return (Array.isArray(added) ? (added as AddedToken[]) : []).filter(({ content }) => typeof content === "string");
}
