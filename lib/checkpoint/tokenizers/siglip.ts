import { invalidModel } from "../invalid.js";
import type { Vocabulary } from "./added-tokens.js";
import { type ClassInput, type ClassParts, roleToken } from "./class-parts.js";
import { PIECE_TYPES, readSentencePiece, type SentencePieceModel } from "./sentencepiece.js";

const UNIGRAM = 1;

/** The ASCII punctuation that SigLIP removes from texts: `string.punctuation` in Python. */
const PUNCTUATION = String.raw`[!-/:-@\[-${"`"}{-~]`;

/** SigLIP's SentencePiece vocabulary. */
export interface SiglipVocabulary {
  model: SentencePieceModel;
  /** Ids by piece. */
  vocabulary: Vocabulary;
}

/**
 * Reads spiece.model.
 * @throws ClipBlipError ERR_MODEL_INVALID
 */
export function readSiglipVocabulary(bytes: Uint8Array): SiglipVocabulary {
  const model = readSentencePiece(bytes);
  const usual = model.addDummyPrefix && model.removeExtraWhitespaces && model.escapeWhitespaces;
  const special: number[] = [PIECE_TYPES.unknown, PIECE_TYPES.control];
  const plain = model.pieces.every(({ type }) => type === PIECE_TYPES.normal || special.includes(type));
  if (model.modelType !== UNIGRAM || !usual || model.treatWhitespaceAsSuffix || !plain) {
    throw invalidModel(
      "spiece.model is not of SigLIP's kind (unigram, SentencePiece's default whitespace handling, no byte pieces): save the tokenizer as tokenizer.json next to it with Python's transformers",
    );
  }
  return { model, vocabulary: new Map(model.pieces.map(({ text }, id) => [text, id])) };
}

/**
 * transformers' SiglipTokenizer. The normalizer does what it and SentencePiece do in sequence.
 * @throws ClipBlipError ERR_MODEL_INVALID
 */
export function siglipParts({ model }: SiglipVocabulary, input: ClassInput): ClassParts {
  const unknown = model.pieces.findIndex(({ type }) => type === PIECE_TYPES.unknown);
  if (unknown < 0) throw invalidModel("spiece.model has no unknown token");
  const { id: endId, content: end } = roleToken(input, "eos_token");
  const lowers = input.config.boolean("do_lower_case", true);
  return {
    normalizer: {
      type: "Sequence",
      normalizers: [
        ...(lowers ? [{ type: "Lowercase" }] : []),
        { type: "Replace", pattern: { Regex: PUNCTUATION }, content: "" },
        { type: "Replace", pattern: { Regex: "\\s+" }, content: " " },
        { type: "Strip", strip_left: true, strip_right: true },
        { type: "Precompiled", precompiled_charsmap: Buffer.from(model.charsmap).toString("base64") },
        { type: "Replace", pattern: { Regex: " {2,}" }, content: " " },
      ],
    },
    pre_tokenizer: { type: "Metaspace", replacement: "▁", prepend_scheme: "always", split: true },
    post_processor: {
      type: "TemplateProcessing",
      single: [{ Sequence: { id: "A", type_id: 0 } }, { SpecialToken: { id: end, type_id: 0 } }],
      pair: [
        { Sequence: { id: "A", type_id: 0 } },
        { Sequence: { id: "B", type_id: 0 } },
        { SpecialToken: { id: end, type_id: 0 } },
      ],
      special_tokens: { [end]: { id: end, ids: [endId], tokens: [end] } },
    },
    decoder: { type: "Metaspace", replacement: "▁", prepend_scheme: "always", split: true },
    model: {
      type: "Unigram",
      unk_id: unknown,
      vocab: model.pieces.map(({ text, score }) => [text, score]),
      // A key of our own: tokenizer.json has no place for the types of pieces.
      control_ids: model.pieces.flatMap(({ type }, id) => (type === PIECE_TYPES.control ? [id] : [])),
    },
  };
}
