import { join } from "node:path";
import { ADAPTER_CONFIG } from "../checkpoint/directory.js";
import { fileSize, readTextIfPresent } from "../checkpoint/files.js";
import { JsonObject } from "../checkpoint/json.js";
import { OPEN_CLIP_CONFIG, OPEN_CLIP_WEIGHTS } from "../checkpoint/open-clip.js";
import { chooseRecipe } from "../checkpoint/recipes/recipes.js";
import { MODULES_FILE } from "../checkpoint/sentence-transformers.js";
import { shardNames } from "../checkpoint/weights/sharded.js";
import { WEIGHT_FORMATS } from "../checkpoint/weights/weights.js";

/** Files besides the weights that are downloaded if they exist. */
const SMALL_FILES = [
  "config.json",
  "preprocessor_config.json",
  "processor_config.json",
  "generation_config.json",
  "tokenizer.json",
  "tokenizer_config.json",
  "special_tokens_map.json",
  "added_tokens.json",
  "spiece.model",
];

/** Files from which a missing tokenizer.json can be built. */
const VOCABULARY_FILES = ["vocab.json", "merges.txt", "vocab.txt"];

/** Every file that `neededFiles` may choose, or that tells what a repository is. */
export const KNOWN_FILES: readonly string[] = [
  ...SMALL_FILES,
  ...VOCABULARY_FILES,
  ...[...WEIGHT_FORMATS, ...OPEN_CLIP_WEIGHTS].map(({ file }) => file),
  OPEN_CLIP_CONFIG,
  MODULES_FILE,
  ADAPTER_CONFIG,
];

/** The files to download from a repository. */
export interface NeededFiles {
  small: string[];
  /** The weights file, or the index of several; undefined if there are no readable weights. */
  weights: { file: string; index: boolean } | undefined;
}

/**
 * Chooses from the names of a repository's files: one kind of weights, in transformers' order, otherwise open_clip's.
 */
export function neededFiles(names: ReadonlySet<string>): NeededFiles {
  const weights = names.has("config.json") ? WEIGHT_FORMATS.find(({ file }) => names.has(file)) : undefined;
  if (weights === undefined && names.has(OPEN_CLIP_CONFIG)) {
    const openClip = OPEN_CLIP_WEIGHTS.find(({ file }) => names.has(file));
    if (openClip !== undefined) return { small: [OPEN_CLIP_CONFIG], weights: { file: openClip.file, index: false } };
  }
  const wanted = names.has("tokenizer.json") ? SMALL_FILES : [...SMALL_FILES, ...VOCABULARY_FILES];
  return { small: wanted.filter((name) => names.has(name)), weights };
}

/** What the model of a config.json reads; if unknown, pictures and texts. */
function needsOf(config: string): { readsImages: boolean; tokenizer?: string | undefined } {
  try {
    return chooseRecipe(JsonObject.parse(config, "config.json"));
  } catch {
    return { readsImages: true, tokenizer: "any" };
  }
}

/** The first missing file that the model in a snapshot directory needs; undefined if it is complete. */
export async function missingFile(directory: string): Promise<string | undefined> {
  const has = async (file: string) => (await fileSize(join(directory, file))) !== undefined;
  const hasAny = async (files: string[]) => (await Promise.all(files.map(has))).includes(true);
  if ((await has(OPEN_CLIP_CONFIG)) && (await hasAny(OPEN_CLIP_WEIGHTS.map(({ file }) => file)))) return undefined;
  const config = await readTextIfPresent(join(directory, "config.json"));
  if (config === undefined) return "config.json";
  const { readsImages, tokenizer } = needsOf(config);
  if (readsImages && !(await hasAny(["preprocessor_config.json", "processor_config.json"]))) {
    return "preprocessor_config.json";
  }
  if (tokenizer && !(await hasAny(["tokenizer.json", "vocab.json", "vocab.txt", "spiece.model"])))
    return "tokenizer.json";
  for (const { file, index } of WEIGHT_FORMATS) {
    if (!(await has(file))) continue;
    for (const shard of index ? await shardNames(join(directory, file)) : []) {
      if (!(await has(shard))) return shard;
    }
    return undefined;
  }
  return WEIGHT_FORMATS[0]!.file;
}
