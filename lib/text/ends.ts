import { invalidTokenizer, type JsonPart } from "./load-tokenizer.js";

/** Ids that precede and follow those of every text. */
export interface Ends {
  before: number[];
  after: number[];
}

/**
 * The ids that the post-processor of a tokenizer.json puts around a text.
 * @param ids of all tokens
 * @throws ERR_MODEL_INVALID for another kind of post-processor, or a token that does not exist
 */
export function readEnds({ post_processor: processor }: JsonPart, ids: ReadonlyMap<string, number>): Ends {
  if (!processor) return { before: [], after: [] };
  const { type, single, cls, sep, processors } = processor as Record<string, unknown>;
  if (type === "RobertaProcessing" || type === "BertProcessing") {
    return { before: [pairId(cls, ids)], after: [pairId(sep, ids)] };
  }
  // A byte-level one adds no tokens.
  if (type === "ByteLevel") return { before: [], after: [] };
  if (type === "Sequence" && Array.isArray(processors)) {
    const all = processors.map((one: unknown) => readEnds({ post_processor: one }, ids));
    return { before: all.flatMap(({ before }) => before), after: all.flatMap(({ after }) => after) };
  }
  if (type !== "TemplateProcessing" || !Array.isArray(single)) {
    throw invalidTokenizer(`tokenizer.json has an unsupported post_processor of type ${JSON.stringify(type)}`);
  }
  const at = single.findIndex((part: JsonPart) => part.Sequence !== undefined);
  const special = (parts: { SpecialToken: { id: string } }[]) =>
    parts.map(({ SpecialToken }) => idOf(SpecialToken.id, ids));
  return { before: special(single.slice(0, at)), after: special(single.slice(at + 1)) };
}

/** A token and its id, as a list. */
function pairId(pair: unknown, ids: ReadonlyMap<string, number>): number {
  return idOf(Array.isArray(pair) ? pair[0] : undefined, ids);
}

function idOf(token: unknown, ids: ReadonlyMap<string, number>): number {
  const id = typeof token === "string" ? ids.get(token) : undefined;
  if (id === undefined)
    throw invalidTokenizer(`tokenizer.json lacks the token ${JSON.stringify(token)} of its post_processor`);
  return id;
}
