import { invalidModel } from "../invalid.js";

const SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];

/**
 * Builds tokenizer.json of an uncased BERT from its vocab.txt, as transformers does.
 * @param vocabulary contents of vocab.txt: one token on each line; the line number, from 0, is its id
 * @throws ClipBlipError ERR_MODEL_INVALID if a special token is missing
 */
export function buildBertTokenizer(vocabulary: string): string {
  const words = vocabulary.split("\n").map((line) => line.trimEnd());
  // The last line ends with a newline as well.
  if (words.at(-1) === "") words.pop();
  const vocab = Object.fromEntries(words.map((word, id) => [word, id]));
  const id = (token: string): number => {
    const found = words.indexOf(token);
    if (found < 0) throw invalidModel(`vocab.txt lacks the token ${token}`);
    return found;
  };
  const token = (content: string) => ({ SpecialToken: { id: content, type_id: 0 } });
  return JSON.stringify({
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: SPECIAL.map((content) => ({
      id: id(content),
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: {
      type: "BertNormalizer",
      clean_text: true,
      handle_chinese_chars: true,
      strip_accents: null,
      lowercase: true,
    },
    pre_tokenizer: { type: "BertPreTokenizer" },
    post_processor: {
      type: "TemplateProcessing",
      single: [token("[CLS]"), { Sequence: { id: "A", type_id: 0 } }, token("[SEP]")],
      pair: [token("[CLS]"), { Sequence: { id: "A", type_id: 0 } }, token("[SEP]")],
      special_tokens: Object.fromEntries(
        ["[CLS]", "[SEP]"].map((content) => [content, { id: content, ids: [id(content)], tokens: [content] }]),
      ),
    },
    decoder: { type: "WordPiece", prefix: "##", cleanup: true },
    model: {
      type: "WordPiece",
      unk_token: "[UNK]",
      continuing_subword_prefix: "##",
      max_input_chars_per_word: 100,
      vocab,
    },
  });
}
