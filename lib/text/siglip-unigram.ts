import { type AddedToken, splitInPython } from "./added-tokens.js";
import { Charsmap } from "./charsmap.js";
import { invalidTokenizer, type JsonPart } from "./load-tokenizer.js";
import { collapseSpace, strip } from "./python-parity.js";
import { Unigram } from "./unigram.js";

/** Options of the unigram encoder of SigLIP. */
export interface UnigramOptions {
  addedTokens: readonly AddedToken[];
  lowerCase: boolean;
  /** Maximum number of characters of a part of the text that are tokenized. */
  window: number;
}

/** Pieces with their log-probabilities. */
type Vocabulary = [piece: string, score: number][];

/** The model in tokenizer.json. */
interface UnigramModel {
  vocab: Vocabulary;
  unk_id: number;
  /** Of pieces that no text contains, if the file was made from spiece.model. */
  control_ids?: number[];
}

/**
 * Encodes text with a unigram vocabulary as transformers' SiglipTokenizer does with SentencePiece, without the end
 * token.
 *
 * Of the normalizers in tokenizer.json, only the table of replacements is read: the steps before it are fixed by
 * SiglipTokenizer, the steps after it by SentencePiece.
 *
 * @param tokenizer tokenizer.json
 * @throws ERR_MODEL_INVALID
 */
export function unigramEncoder(
  tokenizer: JsonPart,
  { addedTokens, lowerCase, window }: UnigramOptions,
): (text: string) => number[] {
  const { vocab, unk_id: unknownId, control_ids: controlIds } = tokenizer.model as UnigramModel;
  if (!Array.isArray(vocab) || vocab[unknownId] === undefined) {
    throw invalidTokenizer("tokenizer.json has no unigram vocabulary with an unknown token");
  }
  const unknown = vocab[unknownId][0];
  const unigram = new Unigram(vocab, unknownId, new Set([unknownId, ...(controlIds ?? controls(addedTokens))]));
  const charsmap = readCharsmap(tokenizer.normalizer);
  // Python looks for the name of a piece among the added tokens first; that of unknown characters is their text.
  const byContent = new Map(addedTokens.map(({ content, id }) => [content, id]));
  const unknownRun = (run: string) => byContent.get(run) ?? unknownId;
  const encodePieces = (text: string) =>
    unigram.encode(normalizeForPieces(text, charsmap).slice(0, window), unknownRun);
  const markLength = encodePieces(unknown).length;

  /**
   * Encodes a part behind the unknown token and removes the unknown token's pieces again; otherwise SentencePiece would
   * treat every part as the beginning of a word.
   */
  function encodePart(part: string): number[] {
    const ids = encodePieces(unknown + canonicalText(part, { lowerCase }));
    return ids.length >= markLength ? ids.slice(markLength) : ids;
  }

  const renamed = new Map(
    addedTokens.flatMap(({ content, id }) => {
      const piece = vocab.findIndex(([text]) => text === content);
      return piece < 0 || piece === id ? [] : [[piece, id] as const];
    }),
  );
  const spaceId = vocab.findIndex(([piece]) => piece === SPACE_SYMBOL);
  // Unknown characters have the id of the unknown token, but not its name.
  const special = new Set(addedTokens.flatMap((token) => (token.special && token.id !== unknownId ? [token.id] : [])));
  return (text) => {
    const parts = splitInPython(SPACE_SYMBOL + text.replaceAll(SPACE_SYMBOL, " "), addedTokens);
    const ids: number[] = [];
    for (const part of parts) {
      if (typeof part === "string") for (const id of encodePart(part)) ids.push(renamed.get(id) ?? id);
      else if (part.special && ids.length === 1 && ids[0] === spaceId) ids[0] = part.id;
      else ids.push(part.id);
      if (ids.length > window) break;
    }
    // The space that was put in front of the text goes again before a special token.
    return ids.length > 1 && ids[0] === spaceId && special.has(ids[1]!) ? ids.slice(1) : ids;
  };
}

/**
 * SentencePiece never finds its control pieces, such as the end token, in a text. A tokenizer.json that was not made from
 * spiece.model does not name them; they are among its special tokens.
 */
function controls(tokens: readonly AddedToken[]): number[] {
  return tokens.filter(({ special }) => special).map(({ id }) => id);
}

/** The table of the first normalizer that has one, otherwise an empty table. */
function readCharsmap(normalizer: unknown): Charsmap {
  const parts = typeof normalizer === "object" && normalizer !== null ? [normalizer as JsonPart] : [];
  for (const part of parts) {
    if (part.type === "Precompiled" && typeof part.precompiled_charsmap === "string") {
      return new Charsmap(Buffer.from(part.precompiled_charsmap, "base64"));
    }
    if (Array.isArray(part.normalizers)) parts.push(...(part.normalizers as JsonPart[]));
  }
  return new Charsmap(new Uint8Array());
}

/** ASCII punctuation, `string.punctuation` in Python. */
const PUNCTUATION = /[!-/:-@[-`{-~]/g;

/**
 * A text in the form that SigLIP was trained on, as `canonicalize_text` of transformers' SiglipTokenizer: lowercase if
 * so configured, without punctuation, and with single spaces.
 */
function canonicalText(text: string, { lowerCase }: { lowerCase: boolean }): string {
  const letters = lowerCase ? text.toLowerCase() : text;
  return strip(collapseSpace(letters.replace(PUNCTUATION, "")));
}

/** The character that SentencePiece writes for a space. */
const SPACE_SYMBOL = "\u2581";

/**
 * Normalizes a text as SentencePiece does with its usual options (`Normalizer::Normalize` with add_dummy_prefix,
 * remove_extra_whitespaces and escape_whitespaces): applies the replacements, collapses spaces, removes them at the
 * end, adds one at the front, and makes them visible.
 */
function normalizeForPieces(text: string, charsmap: Charsmap): string {
  let normalized = "";
  let afterSpace = true;
  for (const piece of charsmap.replace(text)) {
    const visible: string = afterSpace ? piece.replace(/^ +/, "") : piece;
    if (visible === "") continue;
    normalized += visible.replaceAll(" ", SPACE_SYMBOL);
    afterSpace = visible.endsWith(" ");
  }
  const trimmed = normalized.replace(/\u2581+$/, "");
  return trimmed === "" ? "" : SPACE_SYMBOL + trimmed;
}
