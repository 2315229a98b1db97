import { join } from "node:path";
import { readBytesIfPresent, readTextIfPresent } from "../files.js";
import { invalidModel, quote } from "../invalid.js";
import { JsonObject } from "../json.js";
import { type NumberedToken, numberTokens, numberTokensAsGiven, type Vocabulary } from "./added-tokens.js";
import { bertParts, readVocabularyText } from "./bert.js";
import type { ClassInput, ClassParts } from "./class-parts.js";
import { clipParts, readMerges } from "./clip.js";
import { type DeclaredToken, type DeclaredTokens, readDeclaredTokens, specialToken } from "./declared-tokens.js";
import { gemmaParts } from "./gemma.js";
import { readSiglipVocabulary, siglipParts } from "./siglip.js";
import { tokenizerJson } from "./tokenizer-json.js";

/** Kind of a model's tokenizer: it determines which class of transformers reads the files that name none. */
export type TokenizerKind = "clip" | "siglip" | "bert";

/** The contents of tokenizer.json and tokenizer_config.json, the latter with every special token by its role. */
export interface TokenizerTexts {
  tokenizer: string;
  config: string;
}

/** Files of a vocabulary without tokenizer.json. */
const VOCABULARY_FILES: Record<string, string[]> = {
  CLIPTokenizer: ["vocab.json", "merges.txt"],
  BertTokenizer: ["vocab.txt"],
  SiglipTokenizer: ["spiece.model"],
};

const DEFAULT_CLASS: Record<TokenizerKind, string> = {
  clip: "CLIPTokenizer",
  bert: "BertTokenizer",
  siglip: "SiglipTokenizer",
};

/** What a class of transformers assumes. */
interface TokenizerClass {
  /** `type` of the model in tokenizer.json. */
  model: string;
  /** Special tokens by role. */
  tokens: Record<string, DeclaredToken>;
  parts: (input: ClassInput) => ClassParts;
}

const CLASSES: Record<string, TokenizerClass> = {
  CLIPTokenizer: {
    model: "BPE",
    tokens: tokens({ bos: "<|startoftext|>", eos: "<|endoftext|>", unk: "<|endoftext|>", pad: "<|endoftext|>" }),
    parts: clipParts,
  },
  BertTokenizer: {
    model: "WordPiece",
    tokens: tokens({ unk: "[UNK]", sep: "[SEP]", pad: "[PAD]", cls: "[CLS]", mask: "[MASK]" }),
    parts: bertParts,
  },
  GemmaTokenizer: {
    model: "BPE",
    tokens: tokens({ bos: "<bos>", eos: "<eos>", unk: "<unk>", pad: "<pad>", mask: "<mask>" }),
    parts: (input) => gemmaParts(input, { lowercase: false }),
  },
  Siglip2Tokenizer: {
    model: "BPE",
    tokens: tokens({ bos: "<bos>", eos: "<eos>", unk: "<unk>", pad: "<pad>", mask: "<mask>" }),
    parts: (input) => gemmaParts(input, { lowercase: true }),
  },
};

const SIGLIP_TOKENS = tokens({ eos: "</s>", unk: "<unk>", pad: "</s>" });

function tokens(roles: Record<string, string>): Record<string, DeclaredToken> {
  return Object.fromEntries(Object.entries(roles).map(([role, content]) => [`${role}_token`, specialToken(content)]));
}

/** A directory's files, and what they say. */
interface Files {
  directory: string;
  config: JsonObject;
  tokenizer: JsonObject | undefined;
  declared: (defaults: Record<string, DeclaredToken>) => DeclaredTokens;
}

/**
 * Reads the tokenizer of a checkpoint directory as transformers 5 does: from the files of all its versions, with the
 * class that tokenizer_config.json names, otherwise the model's own. The result is a tokenizer.json that says it all:
 * every added token with its id and flags, and the parts that the class decides and not the file.
 * @throws ClipBlipError ERR_MODEL_INVALID if files are missing or malformed
 */
export async function readTokenizer(directory: string, kind: TokenizerKind): Promise<TokenizerTexts> {
  const files = await openFiles(directory);
  const named = files.config.text("tokenizer_class", DEFAULT_CLASS[kind]).replace(/Fast$/, "");
  if (named === "SiglipTokenizer" || (kind === "siglip" && files.tokenizer === undefined)) {
    const pieces = await readBytesIfPresent(join(directory, "spiece.model"));
    if (pieces !== undefined) return fromSentencePiece(pieces, files);
    if (files.tokenizer === undefined) throw invalidModel(`${directory} has neither spiece.model nor tokenizer.json`);
  }
  // Of another class, the tokenizer.json is taken as it stands, as by transformers' TokenizersBackend.
  const known = Object.hasOwn(CLASSES, named) ? named : undefined;
  if (files.tokenizer !== undefined && known === undefined) return asItStands(files.tokenizer, files);
  return fromClass(known ?? DEFAULT_CLASS[kind], files);
}

async function openFiles(directory: string): Promise<Files> {
  const read = (name: string) => readTextIfPresent(join(directory, name));
  const json = async (name: string) => {
    const text = await read(name);
    return text === undefined ? undefined : JsonObject.parse(text, name);
  };
  const config = (await json("tokenizer_config.json")) ?? NO_CONFIG;
  const [specialTokensMap, addedTokens] = [await json("special_tokens_map.json"), await json("added_tokens.json")];
  const tokenizer = await json("tokenizer.json");
  const declared = (defaults: Record<string, DeclaredToken>) =>
    readDeclaredTokens({ config, specialTokensMap, addedTokens, tokenizer }, defaults);
  return { directory, config, tokenizer, declared };
}

const NO_CONFIG = new JsonObject({}, "tokenizer_config.json");

function texts(tokenizer: string, config: JsonObject, { named }: DeclaredTokens): TokenizerTexts {
  const roles = [...named].map(([role, { content }]) => [role, content]);
  const resolved = { ...Object.fromEntries(config.entries()), ...Object.fromEntries(roles) };
  return { tokenizer, config: `${JSON.stringify(resolved, null, 2)}\n` };
}

function asItStands(tokenizer: JsonObject, { config, declared }: Files): TokenizerTexts {
  const ownFile = { config: NO_CONFIG, specialTokensMap: undefined, addedTokens: undefined, tokenizer };
  const own = numberTokens(vocabularyOf(tokenizer), readDeclaredTokens(ownFile, {}));
  const named = declared({});
  const added = numberTokens(vocabularyOf(tokenizer), named, own);
  return texts(JSON.stringify({ ...Object.fromEntries(tokenizer.entries()), added_tokens: added }), config, named);
}

function fromSentencePiece(pieces: Uint8Array, { config, declared, tokenizer }: Files): TokenizerTexts {
  const read = readSiglipVocabulary(pieces);
  const named = declared(SIGLIP_TOKENS);
  const added = numberTokensAsGiven(read.vocabulary, named);
  const input = { vocabulary: read.vocabulary, merges: [], config, roles: rolesOf(named, added), tokenizer };
  return texts(tokenizerJson(siglipParts(read, input), added), config, named);
}

async function fromClass(name: string, files: Files): Promise<TokenizerTexts> {
  const { model, tokens: defaults, parts } = CLASSES[name]!;
  // Files from before version 0.10 of the tokenizers library do not name the type.
  const type = files.tokenizer?.object("model")?.text("type", model) ?? model;
  if (type !== model) {
    throw invalidModel(
      `tokenizer.json has a vocabulary of type ${quote(type)}, but ${name} needs ${model}: the file belongs to another model`,
    );
  }
  const { vocabulary, merges } =
    files.tokenizer === undefined ? await readVocabulary(name, files.directory) : readModel(files.tokenizer);
  const named = files.declared(defaults);
  const added = numberTokens(vocabulary, named);
  const input = { vocabulary, merges, config: files.config, roles: rolesOf(named, added), tokenizer: files.tokenizer };
  return texts(tokenizerJson(parts(input), added), files.config, named);
}

function rolesOf({ named }: DeclaredTokens, added: readonly NumberedToken[]): Map<string, NumberedToken> {
  const byContent = new Map(added.map((token) => [token.content, token]));
  return new Map(
    [...named].flatMap(([role, { content }]) => {
      const token = byContent.get(content);
      return token === undefined ? [] : [[role, token] as const];
    }),
  );
}

/** Vocabulary and merges. */
type Words = Pick<ClassInput, "vocabulary" | "merges">;

async function readVocabulary(name: string, directory: string): Promise<Words> {
  const wanted = VOCABULARY_FILES[name] ?? [];
  const texts = await Promise.all(wanted.map((file) => readTextIfPresent(join(directory, file))));
  if (wanted.length === 0 || texts.includes(undefined)) {
    const instead = wanted.length === 0 ? "" : `, nor the ${wanted.join(" and ")} to build it from`;
    throw invalidModel(`${directory} has no tokenizer.json${instead}`);
  }
  if (name === "BertTokenizer") return { vocabulary: readVocabularyText(texts[0]!), merges: [] };
  return { vocabulary: idsOf(JsonObject.parse(texts[0]!, "vocab.json")), merges: readMerges(texts[1]!) };
}

function readModel(tokenizer: JsonObject): Words {
  const listed = tokenizer.object("model")?.raw("merges") ?? [];
  if (!Array.isArray(listed)) throw tokenizer.wrong("merges", "a list", listed);
  const merges = listed.map((merge: unknown) => (typeof merge === "string" ? merge.split(" ") : (merge as string[])));
  return { vocabulary: vocabularyOf(tokenizer), merges };
}

/** An object that maps tokens to ids, or a list of pieces with scores, whose indices are the ids. */
function vocabularyOf(tokenizer: JsonObject): Vocabulary {
  const model = tokenizer.object("model");
  const vocabulary = model?.raw("vocab") ?? {};
  if (!Array.isArray(vocabulary)) return idsOf(new JsonObject(vocabulary, "tokenizer.json: vocab"));
  return new Map(vocabulary.map((piece: unknown, id) => [String(Array.isArray(piece) ? piece[0] : piece), id]));
}

function idsOf(json: JsonObject): Vocabulary {
  return new Map(json.entries().map(([word]) => [word, json.integer(word)]));
}
