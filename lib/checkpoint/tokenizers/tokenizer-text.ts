import { join } from "node:path";
import { readBytesIfPresent, readTextIfPresent } from "../files.js";
import { invalidModel } from "../invalid.js";
import { buildBertTokenizer } from "./bert.js";
import { buildClipTokenizer } from "./clip.js";
import { buildSiglipTokenizer } from "./siglip.js";

/** How a model's tokenizer works, which decides what it can be made from. */
export type TokenizerKind = "clip" | "siglip" | "bert";

/**
 * Text of tokenizer.json; made from the vocabulary files of older checkpoints where it is missing. SigLIP's own vocabulary
 * file goes before it, as in transformers.
 * @throws ClipBlipError ERR_MODEL_INVALID when there is neither
 */
export async function readTokenizerText(directory: string, kind: TokenizerKind): Promise<string> {
  const read = (name: string) => readTextIfPresent(join(directory, name));
  if (kind === "siglip") {
    const pieces = await readBytesIfPresent(join(directory, "spiece.model"));
    if (pieces !== undefined) return buildSiglipTokenizer(pieces, (await read("tokenizer_config.json")) ?? "{}");
  }
  const text = await read("tokenizer.json");
  if (text !== undefined) return text;
  if (kind === "clip") {
    const [vocabulary, merges] = [await read("vocab.json"), await read("merges.txt")];
    if (vocabulary !== undefined && merges !== undefined) return buildClipTokenizer(vocabulary, merges);
    throw invalidModel(`${directory} has no tokenizer.json, nor vocab.json and merges.txt to make it from`);
  }
  if (kind === "siglip") throw invalidModel(`${directory} has neither spiece.model nor tokenizer.json`);
  const vocabulary = await read("vocab.txt");
  if (vocabulary !== undefined) return buildBertTokenizer(vocabulary);
  throw invalidModel(`${directory} has no tokenizer.json, nor a vocab.txt to make it from`);
}
