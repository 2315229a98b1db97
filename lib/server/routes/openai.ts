import { endianness } from "node:os";
import { Type, TypeBoxValidatorCompiler } from "@fastify/type-provider-typebox";
import { ClipBlipError } from "../../common/errors.js";
import { admit } from "../admission.js";
import { ServiceError } from "../errors.js";
import type { HostedModel } from "../hosted-model.js";
import type { ServiceClip } from "../models.js";
import { type EmbeddingInput, parseEmbeddingsRequest } from "../openai-input.js";
import { resolvePictures } from "../pictures.js";
import { exact, responses, WORK_FAILURES } from "../schemas/common.js";
import type { Routes, Service } from "../service.js";

const embeddingSchema = Type.Object({
  object: Type.Literal("embedding"),
  index: Type.Integer(),
  embedding: Type.Union([Type.Array(Type.Number()), Type.String()], {
    description: "Numbers, or base64 of little-endian float32.",
  }),
});

const listSchema = Type.Object({
  object: Type.Literal("list"),
  data: Type.Array(embeddingSchema, { description: "In the order of the input." }),
  model: Type.String(),
  usage: Type.Object(
    { prompt_tokens: Type.Integer(), total_tokens: Type.Integer() },
    { description: "Number of tokens of the texts; pictures count none." },
  ),
});

const text = Type.String();
const picture = Type.String({ description: "A data: URL, base64 or, if the service allows it, an http(s): URL." });
const imageUrl = Type.Union([
  picture,
  exact({ url: picture, detail: Type.Optional(Type.String({ description: "Ignored." })) }),
]);
const part = Type.Union([
  Type.String({ description: "A text, or a data: URL of a picture. Other pictures need a type or a modality." }),
  exact({ type: Type.Optional(Type.Enum(["text", "input_text"])), text }),
  exact({ type: Type.Optional(Type.Enum(["image_url", "input_image"])), image_url: imageUrl }),
  exact({ type: Type.Optional(Type.Literal("image")), image: picture }),
]);
const parts = Type.Array(part, { minItems: 1 });

/** For the documentation; `parseEmbeddingsRequest` reads it. */
const bodySchema = exact({
  input: Type.Optional(Type.Union([part, parts], { description: "Each item becomes an embedding." })),
  messages: Type.Optional(
    Type.Array(exact({ role: Type.Optional(Type.String()), content: Type.Union([Type.String(), parts]) }), {
      description: "As vLLM takes it, instead of input: a conversation of one text or one picture.",
    }),
  ),
  modality: Type.Optional(
    Type.Enum(["text", "image"], {
      description: "What the strings of input are, as infinity takes it. Default: texts, and data: URLs of pictures.",
    }),
  ),
  model: Type.Optional(Type.String({ description: "Ignored: the service has one CLIP model." })),
  encoding_format: Type.Optional(Type.Enum(["float", "base64"], { description: "Default float." })),
  dimensions: Type.Optional(
    Type.Integer({ description: "Must be the model's own dimension: embeddings cannot be shortened." }),
  ),
  user: Type.Optional(Type.String({ description: "Ignored." })),
});

/** POST /v1/embeddings, in the shape of OpenAI's API. */
export const openAiRoutes: Routes = (app, service) => {
  const { clip, options } = service;
  if (!clip) return;
  app.post(
    "/v1/embeddings",
    {
      schema: {
        tags: ["OpenAI"],
        summary: "Embeds texts and pictures",
        description: "For clients of OpenAI's API. Of vLLM's and infinity's, messages and modality are taken.",
        body: bodySchema,
        response: responses({ 200: listSchema }, ...WORK_FAILURES),
      },
      // The body is read by the handler.
      validatorCompiler: (part) => (part.httpPart === "body" ? () => true : TypeBoxValidatorCompiler(part)),
      onRequest: admit(service, clip),
    },
    async ({ body, work }) => {
      const request = parseEmbeddingsRequest(body, options.limits);
      work!.setItems(request.inputs.length);
      const { embeddings, tokens } = await embed(service, clip, request.inputs, work!.signal);
      const { length } = embeddings[0]!;
      if (request.dimensions !== undefined && request.dimensions !== length) {
        const message = `This model's embeddings have ${length} numbers: omit "dimensions".`;
        throw new ServiceError(422, "ERR_INVALID_ARGUMENT", message);
      }
      const encode = request.base64 ? base64 : (vector: Float32Array) => Array.from(vector);
      return {
        object: "list" as const,
        data: embeddings.map((vector, index) => ({ object: "embedding" as const, index, embedding: encode(vector) })),
        model: clip.label,
        usage: { prompt_tokens: tokens, total_tokens: tokens },
      };
    },
  );
};

/** Embeds a list of texts and pictures, each with its tower, and counts the tokens of the texts. */
async function embed(
  service: Service,
  clip: HostedModel<ServiceClip>,
  inputs: EmbeddingInput[],
  signal: AbortSignal,
): Promise<{ embeddings: Float32Array[]; tokens: number }> {
  const texts = { values: [] as string[], places: [] as number[] };
  const urls = { values: [] as string[], places: [] as number[] };
  for (const [index, input] of inputs.entries()) {
    const { values, places } = "text" in input ? texts : urls;
    values.push("text" in input ? input.text : input.picture);
    places.push(index);
  }
  const pictures = await resolvePictures(service, urls.values, signal, urls.places);
  const { imagePixels } = service.options.limits;
  return clip.use(async (model) => {
    const [ofTexts, ofPictures] = await Promise.all([
      texts.values.length ? blaming(model.encodeTexts(texts.values, { signal }), texts.places) : [],
      pictures.length ? blaming(model.encodeImages(pictures, { maxPixels: imagePixels, signal }), urls.places) : [],
    ]);
    const embeddings: Float32Array[] = [];
    for (const [at, index] of texts.places.entries()) embeddings[index] = ofTexts[at]!;
    for (const [at, index] of urls.places.entries()) embeddings[index] = ofPictures[at]!;
    const tokens = texts.values.length ? model.countTokens(texts.values).reduce((sum, count) => sum + count, 0) : 0;
    return { embeddings, tokens };
  });
}

/** The result of a call for some of the inputs; an error that blames one of them names its place among all. */
async function blaming<T>(call: Promise<T>, places: number[]): Promise<T> {
  try {
    return await call;
  } catch (error) {
    throw error instanceof ClipBlipError && error.index !== undefined ? error.at(places[error.index]!) : error;
  }
}

function base64(vector: Float32Array): string {
  const bytes = Buffer.from(new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength));
  return (endianness() === "LE" ? bytes : bytes.swap32()).toString("base64");
}
