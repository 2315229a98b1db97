import { invalidModel, quote } from "../invalid.js";
import { JsonObject } from "../json.js";

const START = "<|startoftext|>";
const END = "<|endoftext|>";

/**
 * tokenizer.json of CLIP from the files that its tokenizer had before: the same normalisation, splitting and byte-pair
 * encoding as transformers builds from them.
 * @param vocabulary text of vocab.json
 * @param merges text of merges.txt: a line with the version, then two symbols a line
 * @throws ClipBlipError ERR_MODEL_INVALID
 */
export function buildClipTokenizer(vocabulary: string, merges: string): string {
  return tokenizerJson(JsonObject.parse(vocabulary, "vocab.json"), readMerges(merges));
}

/**
 * tokenizer.json of CLIP from its merges alone. They tell the vocabulary: the symbols of the bytes, the same at the end of
 * a word, what each merge makes, and the two special tokens.
 * @param merges text of merges.txt
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
            // English contractions, words, single digits, and runs of anything else that is not white space.
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
 * A printable character for each byte, as GPT-2 has them: the byte's own in Latin-1 where that is printable, the others from
 * U+0100 on; in the order of the vocabulary.
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
