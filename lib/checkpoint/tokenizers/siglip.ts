import { invalidModel } from "../invalid.js";
import { JsonObject } from "../json.js";
import { PIECE_TYPES, readSentencePiece } from "./sentencepiece.js";

const UNIGRAM = 1;

/** The ASCII punctuation that SigLIP removes from texts: `string.punctuation` in Python. */
const PUNCTUATION = String.raw`[!-/:-@\[-${"`"}{-~]`;

/**
 * Builds SigLIP's tokenizer.json from its SentencePiece vocabulary. Its normalizer does what SiglipTokenizer and
 * SentencePiece do in sequence.
 * @param vocabulary contents of spiece.model
 * @param config contents of tokenizer_config.json
 * @throws ClipBlipError ERR_MODEL_INVALID
 */
export function buildSiglipTokenizer(vocabulary: Uint8Array, config: string): string {
  const model = readSentencePiece(vocabulary);
  const usual = model.addDummyPrefix && model.removeExtraWhitespaces && model.escapeWhitespaces;
  const special: number[] = [PIECE_TYPES.unknown, PIECE_TYPES.control];
  const plain = model.pieces.every(({ type }) => type === PIECE_TYPES.normal || special.includes(type));
  if (model.modelType !== UNIGRAM || !usual || model.treatWhitespaceAsSuffix || !plain) {
    throw invalidModel(
      "spiece.model is not of SigLIP's kind (unigram, SentencePiece's default whitespace handling, no byte pieces): save the tokenizer as tokenizer.json next to it with Python's transformers",
    );
  }
  const unknown = model.pieces.findIndex(({ type }) => type === PIECE_TYPES.unknown);
  if (unknown < 0) throw invalidModel("spiece.model has no unknown token");
  const end = JsonObject.parse(config, "tokenizer_config.json").text("eos_token", "</s>");
  const endId = model.pieces.findIndex(({ text }) => text === end);
  if (endId < 0) throw invalidModel(`spiece.model lacks the end token ${JSON.stringify(end)}`);
  return JSON.stringify({
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: [endId, unknown].map((id) => ({
      id,
      content: model.pieces[id]!.text,
      single_word: false,
      lstrip: true,
      rstrip: true,
      normalized: false,
      special: true,
    })),
    normalizer: {
      type: "Sequence",
      normalizers: [
        { type: "Lowercase" },
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
    model: { type: "Unigram", unk_id: unknown, vocab: model.pieces.map(({ text, score }) => [text, score]) },
  });
}
