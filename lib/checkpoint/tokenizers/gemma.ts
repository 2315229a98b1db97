import { type ClassInput, type ClassParts, roleToken } from "./class-parts.js";

/**
 * transformers' GemmaTokenizer and Siglip2Tokenizer, the tokenizers of SigLIP 2.
 * @param options.lowercase as Siglip2Tokenizer does
 */
export function gemmaParts(input: ClassInput, { lowercase }: { lowercase: boolean }): ClassParts {
  const spaces = { type: "Replace", pattern: { String: " " }, content: "▁" };
  return {
    normalizer: lowercase ? { type: "Sequence", normalizers: [{ type: "Lowercase" }, spaces] } : spaces,
    pre_tokenizer: { type: "Split", pattern: { String: " " }, behavior: "MergedWithPrevious", invert: false },
    post_processor: input.tokenizer?.raw("post_processor") ?? null,
    decoder: {
      type: "Sequence",
      decoders: [
        { type: "Replace", pattern: { String: "▁" }, content: " " },
        { type: "ByteFallback" },
        { type: "Fuse" },
      ],
    },
    model: {
      type: "BPE",
      dropout: null,
      unk_token: roleToken(input, "unk_token").content,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: true,
      byte_fallback: true,
      ignore_merges: false,
      vocab: Object.fromEntries(input.vocabulary),
      merges: input.merges,
    },
  };
}
