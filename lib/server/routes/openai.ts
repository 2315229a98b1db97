import { endianness } from "node:os";
import { Type } from "@fastify/type-provider-typebox";
import { admit } from "../admission.js";
import { ServiceError } from "../errors.js";
import type { HostedModel } from "../hosted-model.js";
import type { ServiceClip } from "../models.js";
import { isDataUrl, resolvePictures } from "../pictures.js";
import { responses, WORK_FAILURES } from "../schemas/common.js";
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

/** POST /v1/embeddings, in the shape of OpenAI's API. */
export const openAiRoutes: Routes = (app, service) => {
  const { clip, options } = service;
  if (!clip) return;
  const { texts } = options.limits;
  app.post(
    "/v1/embeddings",
    {
      schema: {
        tags: ["OpenAI"],
        summary: "Embeds texts, and pictures as data: URLs",
        description: "For clients of OpenAI's API. Other properties are ignored.",
        body: Type.Object({
          input: Type.Union([Type.String(), Type.Array(Type.String(), { minItems: 1, maxItems: texts })]),
          model: Type.Optional(Type.String({ description: "Ignored: the service has one CLIP model." })),
          encoding_format: Type.Optional(Type.Enum(["float", "base64"], { description: "Default float." })),
          dimensions: Type.Optional(
            Type.Integer({ description: "Must be the model's own dimension: embeddings cannot be shortened." }),
          ),
        }),
        response: responses({ 200: listSchema }, ...WORK_FAILURES),
      },
      onRequest: admit(service, clip),
    },
    async ({ body, work }) => {
      const inputs = [body.input].flat();
      work!.setItems(inputs.length);
      const { embeddings, tokens } = await embed(service, clip, inputs, work!.signal);
      const { length } = embeddings[0]!;
      if (body.dimensions !== undefined && body.dimensions !== length) {
        throw wrong(`This model's embeddings have ${length} numbers: omit "dimensions".`);
      }
      const encode = body.encoding_format === "base64" ? base64 : (vector: Float32Array) => Array.from(vector);
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
  inputs: string[],
  signal: AbortSignal,
): Promise<{ embeddings: Float32Array[]; tokens: number }> {
  const { imagePixels, images, textLength } = service.options.limits;
  const positions = { text: [] as number[], picture: [] as number[] };
  for (const [index, input] of inputs.entries()) positions[isDataUrl(input) ? "picture" : "text"].push(index);
  if (positions.picture.length > images) throw wrong(`There are more than ${images} pictures: send several requests.`);
  const tooLong = positions.text.find((index) => inputs[index]!.length > textLength);
  if (tooLong !== undefined)
    throw wrong(`A text has more than ${textLength} characters: shorten it (item ${tooLong}).`, tooLong);

  const texts = positions.text.map((index) => inputs[index]!);
  const pictures = await resolvePictures(
    service,
    positions.picture.map((index) => inputs[index]!),
    signal,
  );
  return clip.use(async (model) => {
    const [ofTexts, ofPictures] = await Promise.all([
      texts.length ? model.encodeTexts(texts, { signal }) : [],
      pictures.length ? model.encodeImages(pictures, { maxPixels: imagePixels, signal }) : [],
    ]);
    const embeddings: Float32Array[] = [];
    for (const [at, index] of positions.text.entries()) embeddings[index] = ofTexts[at]!;
    for (const [at, index] of positions.picture.entries()) embeddings[index] = ofPictures[at]!;
    const tokens = texts.length ? model.countTokens(texts).reduce((sum, count) => sum + count, 0) : 0;
    return { embeddings, tokens };
  });
}

function base64(vector: Float32Array): string {
  const bytes = Buffer.from(new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength));
  return (endianness() === "LE" ? bytes : bytes.swap32()).toString("base64");
}

function wrong(message: string, index?: number): ServiceError {
  return new ServiceError(422, "ERR_INVALID_ARGUMENT", message, { index });
}
