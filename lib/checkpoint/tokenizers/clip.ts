import { invalidModel, quote } from "../invalid.js";
import { JsonObject } from "../json.js";
import { type ClassInput, type ClassParts, roleToken } from "./class-parts.js";
import { specialToken } from "./declared-tokens.js";
import { tokenizerJson } from "./tokenizer-json.js";

const START = "<|startoftext|>";
const END = "<|endoftext|>";

/**
 * Builds the tokenizer.json of OpenAI's CLIP from its merges alone. The vocabulary follows from them: the byte symbols,
 * the same at the end of a word, the result of each merge, and the two special tokens.
 * @param text contents of merges.txt
 * @throws ClipBlipError ERR_MODEL_INVALID
 */
export function buildClipTokenizerFromMerges(text: string): string {
  const merges = readMerges(text);
  const symbols = byteSymbols();
  const words = [...symbols, ...symbols.map((symbol) => `${symbol}</w>`), ...merges.map((pair) => pair.join(""))];
  const vocabulary = new Map([...words, START, END].map((word, id) => [word, id]));
  const [start, end] = [START, END].map((content) => ({ id: vocabulary.get(content)!, ...specialToken(content) }));
  const roles = new Map([
    ["bos_token", start!],
    ["eos_token", end!],
    ["unk_token", end!],
  ]);
  const config = new JsonObject({}, "tokenizer_config.json");
  const parts = clipParts({ vocabulary, merges, config, roles, tokenizer: undefined });
  return tokenizerJson(parts, [start!, end!]);
}

/** transformers' CLIPTokenizer. */
export function clipParts(input: ClassInput): ClassParts {
  const [start, end] = [roleToken(input, "bos_token"), roleToken(input, "eos_token")];
  return {
    normalizer: {
      type: "Sequence",
      normalizers: [
        { type: "NFC" },
        { type: "Replace", pattern: { Regex: "\\s+" }, content: " " },
        { type: "Lowercase" },
      ],
    },
    pre_tokenizer: {
      type: "Sequence",
      pretokenizers: [
        {
          type: "Split",
          pattern: {
            // English contractions, words, single digits, and runs of anything else except whitespace.
            Regex: String.raw`<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+`,
          },
          behavior: "Removed",
          invert: true,
        },
        { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true },
      ],
    },
    post_processor: {
      type: "RobertaProcessing",
      sep: [end.content, end.id],
      cls: [start.content, start.id],
      trim_offsets: false,
      add_prefix_space: false,
    },
    decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: "BPE",
      dropout: null,
      unk_token: roleToken(input, "unk_token").content,
      continuing_subword_prefix: "",
      end_of_word_suffix: "</w>",
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab: Object.fromEntries(input.vocabulary),
      merges: input.merges,
    },
  };
}

/**
 * A printable character for each byte, as in GPT-2: the byte's own Latin-1 character if printable, otherwise one from
 * U+0100 on. In the order of the vocabulary.
 */
function byteSymbols(): string[] {
  const bytes = Array.from({ length: 256 }, (_, byte) => byte);
  const isPrintable = (byte: number) => (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
  const hidden = bytes.filter((byte) => !isPrintable(byte));
  return [...bytes.filter(isPrintable), ...hidden.map((_, index) => 0x100 + index)].map((code) =>
    String.fromCharCode(code),
  );
}

/**
 * Reads merges.txt: perhaps a line with the version, then two symbols on each line.
 * @throws ClipBlipError ERR_MODEL_INVALID
 */
export function readMerges(text: string): string[][] {
  const lines = text.split("\n").map((line) => line.trimEnd());
  return lines
    .filter((line, index) => line !== "" && !(index === 0 && line.startsWith("#version")))
    .map((line) => {
      const pair = line.split(" ");
      if (pair.length !== 2) throw invalidModel(`merges.txt: expected two symbols in the line ${quote(line)}`);
      return pair;
    });
}
