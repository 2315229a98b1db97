import { Type } from "@fastify/type-provider-typebox";
import { generationProperties, promptProperty } from "../schemas/generation.js";
import type { Routes } from "../service.js";
import { addPictureRoute } from "./picture-route.js";

const writing = {
  text: Type.String(),
  tokenIds: Type.Array(Type.Integer(), {
    description: "Start token, prompt, caption, and end token if it was reached.",
  }),
  score: Type.Number({ description: "Log-probability, as scored by the requested search." }),
};

const captionsSchema = Type.Object({
  model: Type.String(),
  captions: Type.Array(
    Type.Object({
      ...writing,
      alternatives: Type.Array(Type.Object(writing), { description: "Further captions, best first." }),
    }),
    { description: "In the order of the request." },
  ),
});

/** POST /api/v1/captions. */
export const captionRoutes: Routes = (app, service) => {
  const { blip, options } = service;
  if (!blip) return;
  const { imagePixels, textLength } = options.limits;
  addPictureRoute(app, service, {
    path: "/api/v1/captions",
    tag: "captions",
    summary: "Captions pictures",
    model: blip,
    properties: { prompt: promptProperty(textLength), ...generationProperties(options.limits) },
    response: captionsSchema,
    handle: async ({ pictures, options: generation, signal }, model) => ({
      model: model.label,
      captions: await model.use((loaded) =>
        loaded.caption(pictures, { ...generation, maxPixels: imagePixels, signal }),
      ),
    }),
  });
};
