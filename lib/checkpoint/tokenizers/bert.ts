import { type ClassInput, type ClassParts, roleToken } from "./class-parts.js";

/** Reads vocab.txt: one token on each line; the line number, from 0, is its id. */
export function readVocabularyText(text: string): Map<string, number> {
  const words = text.split("\n").map((line) => line.replace(/\r$/, ""));
  // The last line ends with a newline as well.
  if (words.at(-1) === "") words.pop();
  return new Map(words.map((word, id) => [word, id]));
}

/** transformers' BertTokenizer. */
export function bertParts(input: ClassInput): ClassParts {
  const { config } = input;
  const [start, end] = [roleToken(input, "cls_token"), roleToken(input, "sep_token")];
  const part = ({ content }: { content: string }) => ({ SpecialToken: { id: content, type_id: 0 } });
  const around = [part(start), { Sequence: { id: "A", type_id: 0 } }, part(end)];
  return {
    normalizer: {
      type: "BertNormalizer",
      clean_text: true,
      handle_chinese_chars: config.boolean("tokenize_chinese_chars", true),
      // null: accents go if the case goes.
      strip_accents: config.raw("strip_accents") === undefined ? null : config.boolean("strip_accents"),
      lowercase: config.boolean("do_lower_case", true),
    },
    pre_tokenizer: { type: "BertPreTokenizer" },
    post_processor: {
      type: "TemplateProcessing",
      single: around,
      pair: around,
      special_tokens: Object.fromEntries(
        [start, end].map(({ content, id }) => [content, { id: content, ids: [id], tokens: [content] }]),
      ),
    },
    decoder: { type: "WordPiece", prefix: "##", cleanup: true },
    model: {
      type: "WordPiece",
      unk_token: roleToken(input, "unk_token").content,
      continuing_subword_prefix: "##",
      max_input_chars_per_word: 100,
      vocab: Object.fromEntries(input.vocabulary),
    },
  };
}
