import { JsonObject } from "../json.js";

/** A token that is found in a text before the text is split into words. Named as in tokenizer.json. */
export interface DeclaredToken {
  content: string;
  /** Only where no letter or digit adjoins. */
  single_word: boolean;
  /** Takes the whitespace before it as well. */
  lstrip: boolean;
  /** Takes the whitespace after it as well. */
  rstrip: boolean;
  /** Is looked for in the normalized text, and normalized itself; otherwise in the text as it was given. */
  normalized: boolean;
  /** Is left out of decoded texts. */
  special: boolean;
}

/** The roles of special tokens, in the order in which transformers adds them to a vocabulary. */
const ROLES = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

/** What the files of a tokenizer say about added tokens. */
export interface DeclaredTokens {
  /** By the id that the files give. */
  numbered: Map<number, DeclaredToken>;
  /** By role; roles of the standard come first. */
  named: Map<string, DeclaredToken>;
  extra: DeclaredToken[];
}

/** The files; undefined for those that are missing. */
export interface TokenFiles {
  config: JsonObject;
  specialTokensMap: JsonObject | undefined;
  addedTokens: JsonObject | undefined;
  tokenizer: JsonObject | undefined;
}

/**
 * Collects the added tokens of a tokenizer as transformers 5 does (`PreTrainedTokenizerBase._from_pretrained`):
 * `added_tokens_decoder` in tokenizer_config.json replaces the other files; without it, special_tokens_map.json,
 * added_tokens.json and tokenizer.json add up, the last one winning.
 * @param defaults the tokens by role that the tokenizer's class assumes
 * @throws ClipBlipError ERR_MODEL_INVALID
 */
export function readDeclaredTokens(
  files: TokenFiles,
  defaults: Readonly<Record<string, DeclaredToken>>,
): DeclaredTokens {
  const values = new Map(files.config.entries());
  const decoder = files.config.object("added_tokens_decoder");
  if (decoder === undefined) for (const [key, value] of files.specialTokensMap?.entries() ?? []) values.set(key, value);
  const listed = extraTokens(files, decoder === undefined);
  const where = files.config.where;
  const extra = Array.isArray(listed) ? listed.map((token) => toToken(token, where)) : [];
  const roles = new Map<string, DeclaredToken>();
  const byRole = { ...defaults, ...Object.fromEntries([...values].filter(([key]) => key.endsWith("_token"))) };
  for (const role of [...ROLES, ...Object.keys(byRole).filter((key) => !ROLES.includes(key))]) {
    // null: the class has no such token. Flags such as add_bos_token end in "_token", too.
    const value: unknown = byRole[role];
    if (value != null && typeof value !== "boolean") roles.set(role, toToken(value, `${where}: ${role}`));
  }
  if (!Array.isArray(listed)) {
    for (const [role, token] of Object.entries(listed)) roles.set(role, toToken(token, `${where}: ${role}`));
  }
  const numbered = decoder === undefined ? numberedByFiles(files, roles) : numberedBy(decoder);
  const known = new Map([...numbered.values()].map((token) => [token.content, token]));
  for (const [role, token] of roles) roles.set(role, known.get(token.content) ?? token);
  return { numbered, named: roles, extra };
}

function numberedBy(decoder: JsonObject): Map<number, DeclaredToken> {
  return new Map(decoder.entries().map(([id, token]) => [toId(id, decoder), toToken(token, decoder.where, false)]));
}

/**
 * Special tokens without a role, or with roles of their own. The older name counts only if the newer one is missing.
 * @param legacy whether special_tokens_map.json is read
 */
function extraTokens({ config, specialTokensMap: map }: TokenFiles, legacy: boolean): unknown[] | object {
  const newer = config.has("extra_special_tokens");
  const inConfig = newer ? (config.raw("extra_special_tokens") ?? []) : config.raw("additional_special_tokens");
  const inMap = legacy ? map?.raw("extra_special_tokens") : undefined;
  if (Array.isArray(inMap)) return [...(Array.isArray(inConfig) ? inConfig : []), ...inMap];
  const found = inMap ?? inConfig ?? (legacy ? map?.raw("additional_special_tokens") : undefined) ?? [];
  if (typeof found === "object") return found;
  throw config.wrong("extra_special_tokens", "a list or an object", found);
}

function numberedByFiles(
  { config, addedTokens, tokenizer }: TokenFiles,
  named: ReadonlyMap<string, DeclaredToken>,
): Map<number, DeclaredToken> {
  // additional_special_tokens of special_tokens_map.json make no token of added_tokens.json a special one.
  const extra = extraTokens({ config, specialTokensMap: undefined, addedTokens, tokenizer }, false);
  const listedAsSpecial = Array.isArray(extra) ? extra.map((token) => toToken(token, config.where)) : [];
  const specials = new Set([...named.values(), ...listedAsSpecial].map(({ content }) => content));
  const numbered = new Map<number, DeclaredToken>();
  for (const [content] of addedTokens?.entries() ?? []) {
    const special = specials.has(content);
    numbered.set(addedTokens!.integer(content), { ...PLAIN, content, normalized: !special, special });
  }
  const listed = tokenizer?.raw("added_tokens") ?? [];
  if (!Array.isArray(listed)) throw tokenizer!.wrong("added_tokens", "a list", listed);
  for (const entry of listed) {
    const token = new JsonObject(entry, "tokenizer.json: added_tokens");
    numbered.set(token.integer("id"), toToken(entry, token.where, false));
  }
  return numbered;
}

function toId(text: string, json: JsonObject): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw json.wrong(text, "a token id as the key", text);
}

const PLAIN = { single_word: false, lstrip: false, rstrip: false };

/** A special token of the standard's flags. */
export function specialToken(content: string): DeclaredToken {
  return { ...PLAIN, content, normalized: false, special: true };
}

/** @param special whether the token is one if its entry does not say so */
function toToken(value: unknown, where: string, special = true): DeclaredToken {
  if (typeof value === "string") return specialToken(value);
  const json = new JsonObject(value, where);
  const isSpecial = json.boolean("special", special);
  return {
    content: json.text("content"),
    single_word: json.boolean("single_word", false),
    lstrip: json.boolean("lstrip", false),
    rstrip: json.boolean("rstrip", false),
    normalized: json.boolean("normalized", !isSpecial),
    special: isSpecial,
  };
}
