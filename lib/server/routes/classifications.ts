import { Type } from "@fastify/type-provider-typebox";
import type { Routes } from "../service.js";
import { addPictureRoute } from "./picture-route.js";

const classificationsSchema = Type.Object({
  model: Type.String(),
  classifications: Type.Array(
    Type.Array(
      Type.Object({
        label: Type.String(),
        score: Type.Number({ description: "From 0 to 1. The scores of a picture sum to 1, except with SigLIP." }),
      }),
      { description: "Best first." },
    ),
    { description: "In the order of the request." },
  ),
});

/** POST /api/v1/classifications. */
export const classificationRoutes: Routes = (app, service) => {
  const { clip, options } = service;
  if (!clip) return;
  const { imagePixels, labels, textLength } = options.limits;
  const text = Type.String({ minLength: 1, maxLength: textLength });
  addPictureRoute(app, service, {
    path: "/api/v1/classifications",
    tag: "classifications",
    summary: "Scores labels for pictures",
    model: clip,
    properties: {
      labels: Type.Array(text, { minItems: 1, maxItems: labels }),
      template: Type.Optional(
        Type.Union([text, Type.Array(text, { minItems: 1, maxItems: 100 })], {
          description:
            'Sentence for each label, with {} in its place; embeddings of several are averaged. Default "a photo of {}".',
        }),
      ),
    },
    response: classificationsSchema,
    handle: async ({ pictures, options: { labels: given, template }, signal }, model) => ({
      model: model.label,
      classifications: await model.use((loaded) =>
        loaded.classify(pictures, given, {
          ...(template === undefined ? {} : { template }),
          maxPixels: imagePixels,
          signal,
        }),
      ),
    }),
  });
};
