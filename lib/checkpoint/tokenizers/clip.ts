import { invalidModel, quote } from "../invalid.js";
import { JsonObject } from "../json.js";

const START = "<|startoftext|>";
const END = "<|endoftext|>";

/**
 * Builds CLIP's tokenizer.json from the older vocab.json and merges.txt, with the same normalization, splitting and
 * byte-pair encoding as transformers.
 * @param vocabulary contents of vocab.json
 * @param merges contents of merges.txt: a line with the version, then two symbols on each line
 * @throws ClipBlipError ERR_MODEL_INVALID
 */
export function buildClipTokenizer(vocabulary: string, merges: string): string {
  return tokenizerJson(JsonObject.parse(vocabulary, "vocab.json"), readMerges(merges));
}

/**
 * Builds CLIP's tokenizer.json from its merges alone. The vocabulary follows from them: the byte symbols, the same at
 * the end of a word, the result of each merge, and the two special tokens.
 * @param merges contents of merges.txt
 * @throws ClipBlipError ERR_MODEL_INVALID
 */
export function buildClipTokenizerFromMerges(merges: string): string {
  const pairs = readMerges(merges);
  const symbols = byteSymbols();
  const words = [...symbols, ...symbols.map((symbol) => `${symbol}</w>`), ...pairs.map((pair) => pair.join(""))];
  const ids = Object.fromEntries([...words, START, END].map((word, id) => [word, id]));
  return tokenizerJson(new JsonObject(ids, "merges.txt"), pairs);
}

function tokenizerJson(vocab: JsonObject, merges: string[][]): string {
  const id = (token: string) => vocab.integer(token);
  return JSON.stringify({
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: [START, END].map((content) => specialToken(content, id(content))),
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
      sep: [END, id(END)],
      cls: [START, id(START)],
      trim_offsets: false,
      add_prefix_space: false,
    },
    decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: "BPE",
      dropout: null,
      unk_token: END,
      continuing_subword_prefix: "",
      end_of_word_suffix: "</w>",
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab: Object.fromEntries(vocab.entries()),
      merges,
    },
  });
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

function readMerges(text: string): string[][] {
  const lines = text.split("\n").map((line) => line.trimEnd());
  return lines
    .filter((line, index) => line !== "" && !(index === 0 && line.startsWith("#version")))
    .map((line) => {
      const pair = line.split(" ");
      if (pair.length !== 2) throw invalidModel(`merges.txt: expected two symbols in the line ${quote(line)}`);
      return pair;
    });
}

function specialToken(content: string, id: number) {
  return { id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
}
