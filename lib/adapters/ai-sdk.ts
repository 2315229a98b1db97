import { ClipBlipError } from "../common/errors.js";
import { assertOneOf } from "../common/validate.js";
import { pictureTextKind } from "../input/picture-text.js";
import { type AdapterInput, type AdapterOptions, adapterOptions, Embedder } from "./embedder.js";

/** Options of `clipEmbeddingModel`. */
export interface ClipEmbeddingModelOptions extends AdapterOptions {
  /** Id of the model in the AI SDK. Default: the source of the model, else "clip". */
  modelId?: string | undefined;
  /** "v3" is for versions 6 and 7 of the AI SDK, "v4" for version 7 alone. Default "v3". */
  specificationVersion?: "v3" | "v4" | undefined;
}

/** Maximum number of values in a call; the AI SDK splits longer lists. */
const VALUES_PER_CALL = 256;

/**
 * The `EmbeddingModelV3` or `EmbeddingModelV4` of @ai-sdk/provider. Written out here, as the type of that name in one
 * version of the package is not assignable to the one in another.
 */
export interface ClipEmbeddingModel<Version extends "v3" | "v4" = "v3"> {
  readonly specificationVersion: Version;
  readonly provider: string;
  readonly modelId: string;
  readonly maxEmbeddingsPerCall: number;
  readonly supportsParallelCalls: boolean;
  doEmbed(call: {
    values: string[];
    dimensions?: number | undefined;
    abortSignal?: AbortSignal | undefined;
  }): Promise<{ embeddings: number[][]; warnings: { type: "unsupported"; feature: string }[] }>;
}

/**
 * An embedding model for the AI SDK. Values that are `data:` URLs are embedded as pictures, all others as texts; a bare
 * base64 of a picture or the URL of one is refused, so that it is not embedded as words.
 * @example
 * ```ts
 * import { embedMany } from "ai";
 * import { clipEmbeddingModel } from "clip-blip/ai-sdk";
 *
 * const model = clipEmbeddingModel("openai/clip-vit-base-patch32");
 * const { embeddings } = await embedMany({ model, values: ["a red car", "a dog on a beach"] });
 * ```
 */
export function clipEmbeddingModel<Version extends "v3" | "v4" = "v3">(
  input: AdapterInput<ClipEmbeddingModelOptions & { specificationVersion?: Version | undefined }>,
): ClipEmbeddingModel<Version> {
  const options = adapterOptions<ClipEmbeddingModelOptions & { specificationVersion?: Version | undefined }>(input);
  const embedder = new Embedder(options, ["modelId", "specificationVersion"]);
  const { model, modelId = typeof model === "string" ? model : "clip", specificationVersion = "v3" } = options;
  assertOneOf(specificationVersion, "options.specificationVersion", ["v3", "v4"]);
  return {
    specificationVersion: specificationVersion as Version,
    provider: "clip-blip",
    modelId,
    maxEmbeddingsPerCall: VALUES_PER_CALL,
    supportsParallelCalls: true,
    doEmbed: async ({ values, dimensions, abortSignal }) => ({
      embeddings: await embedValues(embedder, values, abortSignal),
      warnings: dimensions === undefined ? [] : [{ type: "unsupported", feature: "dimensions" }],
    }),
  };
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
