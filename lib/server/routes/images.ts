import { normalizeProperty } from "../schemas/common.js";
import { embeddingsAnswer, embeddingsSchema } from "../schemas/embeddings.js";
import type { Routes } from "../service.js";
import { addPictureRoute } from "./picture-route.js";

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
