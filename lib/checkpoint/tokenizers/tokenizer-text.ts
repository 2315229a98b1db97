import { join } from "node:path";
import { readBytesIfPresent, readTextIfPresent } from "../files.js";
import { invalidModel } from "../invalid.js";
import { buildBertTokenizer } from "./bert.js";
import { buildClipTokenizer } from "./clip.js";
import { buildSiglipTokenizer } from "./siglip.js";

/** Kind of a model's tokenizer; it determines from which files tokenizer.json can be built. */
export type TokenizerKind = "clip" | "siglip" | "bert";

/**
 * Contents of tokenizer.json; if it is missing, built from the vocabulary files of older checkpoints. SigLIP's own
 * vocabulary file takes precedence over it, as in transformers.
 * @throws ClipBlipError ERR_MODEL_INVALID if none of these files exists
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
    throw invalidModel(`${directory} has no tokenizer.json, nor the vocab.json and merges.txt to build it from`);
  }
  if (kind === "siglip") throw invalidModel(`${directory} has neither spiece.model nor tokenizer.json`);
  const vocabulary = await read("vocab.txt");
  if (vocabulary !== undefined) return buildBertTokenizer(vocabulary);
  throw invalidModel(`${directory} has no tokenizer.json, nor the vocab.txt to build it from`);
}
