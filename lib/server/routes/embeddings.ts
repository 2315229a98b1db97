import { Type } from "@fastify/type-provider-typebox";
import { admit } from "../admission.js";
import { exact, normalizeProperty, responses, WORK_FAILURES } from "../schemas/common.js";
import type { Routes } from "../service.js";
import { addPictureRoute } from "./picture-route.js";

/** The response of both routes for embeddings. */
const embeddingsSchema = Type.Object({
  model: Type.String(),
  dimension: Type.Integer({ description: "Length of an embedding." }),
  embeddings: Type.Array(Type.Array(Type.Number()), { description: "In the order of the request." }),
});

/** That response for at least one embedding. */
function embeddingsAnswer(model: string, embeddings: Float32Array[]) {
  return {
    model,
    dimension: embeddings[0]!.length,
    embeddings: embeddings.map((embedding) => Array.from(embedding)),
  };
}

/** POST /api/v1/embeddings/texts. */
export const textRoutes: Routes = (app, service) => {
  const { clip, options } = service;
  if (!clip) return;
  const { textLength, texts: maxTexts } = options.limits;
  app.post(
    "/api/v1/embeddings/texts",
    {
      schema: {
        tags: ["embeddings"],
        summary: "Embeds texts",
        body: exact({
          texts: Type.Array(Type.String({ maxLength: textLength }), { minItems: 1, maxItems: maxTexts }),
          normalize: normalizeProperty,
          truncate: Type.Optional(
            Type.Boolean({ description: "Truncate texts that are longer than the model's context. Default true." }),
          ),
        }),
        response: responses({ 200: embeddingsSchema }, ...WORK_FAILURES),
      },
      onRequest: admit(service, clip),
    },
    async ({ body: { texts, ...textOptions }, work }) => {
      const { setItems, signal } = work!;
      setItems(texts.length);
      return embeddingsAnswer(
        clip.label,
        await clip.use((model) => model.encodeTexts(texts, { ...textOptions, signal })),
      );
    },
  );
};

/** POST /api/v1/embeddings/images. */
export const imageRoutes: Routes = (app, service) => {
  const { clip, options } = service;
  if (!clip) return;
  const { imagePixels } = options.limits;
  addPictureRoute(app, service, {
    path: "/api/v1/embeddings/images",
    tag: "embeddings",
    summary: "Embeds pictures",
    model: clip,
    properties: { normalize: normalizeProperty },
    response: embeddingsSchema,
    handle: async ({ pictures, options: { normalize }, signal }, model) => {
      const imageOptions = { normalize, maxPixels: imagePixels, signal };
      return embeddingsAnswer(model.label, await model.use((loaded) => loaded.encodeImages(pictures, imageOptions)));
    },
  });
};
