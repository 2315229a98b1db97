import type { EmbeddingModelV3, EmbeddingModelV4 } from "@ai-sdk/provider";
import { ClipBlipError } from "../common/errors.js";
import { assertOneOf } from "../common/validate.js";
import { pictureTextKind } from "../input/picture-text.js";
import { type AdapterOptions, Embedder } from "./embedder.js";

/** Options of `clipEmbeddingModel`. */
export interface ClipEmbeddingModelOptions extends AdapterOptions {
  /** Id of the model in the AI SDK. Default: the source of the model, else "clip". */
  modelId?: string;
  /** "v4" for version 7 of the AI SDK; "v3" for version 6, and accepted by version 7. Default "v4". */
  specificationVersion?: "v3" | "v4";
}

/** Maximum number of values in a call; the AI SDK splits longer lists. */
const VALUES_PER_CALL = 256;

/** Options of a call that both versions of the specification have. */
interface CallOptions {
  values: string[];
  dimensions?: number;
  abortSignal?: AbortSignal;
}

/**
 * An embedding model for the AI SDK. Values that are `data:` URLs are embedded as pictures, all others as texts; a bare
 * base64 of a picture or the URL of one is refused, so that it is not embedded as words.
 * @example
 * ```ts
 * const model = clipEmbeddingModel({ model: "openai/clip-vit-base-patch32" });
 * const { embeddings } = await embedMany({ model, values: ["a red car", "a dog on a beach"] });
 * ```
 */
export function clipEmbeddingModel(
  options: ClipEmbeddingModelOptions & { specificationVersion: "v3" },
): EmbeddingModelV3;
export function clipEmbeddingModel(
  options: ClipEmbeddingModelOptions & { specificationVersion?: "v4" },
): EmbeddingModelV4;
export function clipEmbeddingModel(options: ClipEmbeddingModelOptions): EmbeddingModelV3 | EmbeddingModelV4 {
  const embedder = new Embedder(options, ["modelId", "specificationVersion"]);
  const { model, modelId = typeof model === "string" ? model : "clip", specificationVersion = "v4" } = options;
  assertOneOf(specificationVersion, "options.specificationVersion", ["v3", "v4"]);
  const common = {
    provider: "clip-blip",
    modelId,
    maxEmbeddingsPerCall: VALUES_PER_CALL,
    supportsParallelCalls: true,
    doEmbed: async ({ values, dimensions, abortSignal }: CallOptions) => ({
      embeddings: await embedValues(embedder, values, abortSignal),
      warnings: dimensions === undefined ? [] : [{ type: "unsupported", feature: "dimensions" } as const],
    }),
  };
  return specificationVersion === "v3" ? { ...common, specificationVersion } : { ...common, specificationVersion };
}

async function embedValues(embedder: Embedder, values: string[], signal?: AbortSignal): Promise<number[][]> {
  const kinds = values.map(pictureTextKind);
  const index = kinds.findIndex((kind) => kind === "url" || kind === "base64");
  if (index >= 0) {
    const what = kinds[index] === "url" ? "the URL of a picture" : "a picture in base64";
    throw new ClipBlipError("ERR_INVALID_ARGUMENT", `values[${index}] is ${what}: give a data: URL of the picture`, {
      index,
    });
  }
  const of = (wanted: "data" | undefined) => values.filter((_, position) => kinds[position] === wanted);
  const [texts, pictures] = await Promise.all([
    embedder.texts(of(undefined), signal),
    embedder.images(of("data"), signal),
  ]);
  const [nextText, nextPicture] = [texts.values(), pictures.values()];
  return kinds.map((kind) => (kind === "data" ? nextPicture : nextText).next().value!);
}
