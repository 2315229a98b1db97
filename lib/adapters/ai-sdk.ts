import type { EmbeddingModelV3, EmbeddingModelV4 } from "@ai-sdk/provider";
import { type AdapterInput, type AdapterOptions, adapterOptions, Embedder } from "./embedder.js";

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
 * An embedding model for the AI SDK. Values that are `data:image/…` URLs are embedded as pictures, all others as texts.
 * @example
 * ```ts
 * import { embedMany } from "ai";
 * import { clipEmbeddingModel } from "clip-blip/ai-sdk";
 *
 * const model = clipEmbeddingModel("openai/clip-vit-base-patch32");
 * const { embeddings } = await embedMany({ model, values: ["a red car", "a dog on a beach"] });
 * ```
 */
export function clipEmbeddingModel(
  options: ClipEmbeddingModelOptions & { specificationVersion: "v3" },
): EmbeddingModelV3;
export function clipEmbeddingModel(
  options: (ClipEmbeddingModelOptions & { specificationVersion?: "v4" }) | AdapterOptions["model"],
): EmbeddingModelV4;
export function clipEmbeddingModel(
  input: AdapterInput<ClipEmbeddingModelOptions>,
): EmbeddingModelV3 | EmbeddingModelV4 {
  const options = adapterOptions<ClipEmbeddingModelOptions>(input);
  const embedder = new Embedder(options);
  const { model, modelId = typeof model === "string" ? model : "clip", specificationVersion = "v4" } = options;
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
  const isPicture = (value: string) => /^data:image\//i.test(value);
  const [texts, pictures] = await Promise.all([
    embedder.texts(
      values.filter((value) => !isPicture(value)),
      signal,
    ),
    embedder.images(values.filter(isPicture), signal),
  ]);
  const [nextText, nextPicture] = [texts.values(), pictures.values()];
  return values.map((value) => (isPicture(value) ? nextPicture : nextText).next().value!);
}
