import { Type } from "@fastify/type-provider-typebox";
import { admit } from "../admission.js";
import { exact, normalizeProperty, responses, WORK_FAILURES } from "../schemas/common.js";
import { embeddingsAnswer, embeddingsSchema } from "../schemas/embeddings.js";
import type { Routes } from "../service.js";

/** POST /api/v1/embeddings/texts. */
export const textRoutes: Routes = (app, service) => {
  const { clip, options } = service;
  if (!clip) return;
  const { textLength, texts: mostTexts } = options.limits;
  app.post(
    "/api/v1/embeddings/texts",
    {
      schema: {
        tags: ["embeddings"],
        summary: "Embeds texts",
        body: exact({
          texts: Type.Array(Type.String({ maxLength: textLength }), { minItems: 1, maxItems: mostTexts }),
          normalize: normalizeProperty,
          truncate: Type.Optional(
            Type.Boolean({ description: "Cut a text that is longer than the model's context. Default true." }),
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
