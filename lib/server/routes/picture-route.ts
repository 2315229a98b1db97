import type { Static, TSchema } from "@fastify/type-provider-typebox";
import type { FastifyRequest } from "fastify";
import { admit } from "../admission.js";
import { readForm } from "../form.js";
import type { HostedModel } from "../hosted-model.js";
import type { AnyServiceModel } from "../models.js";
import { readPictures } from "../pictures.js";
import { responses, WORK_FAILURES } from "../schemas/common.js";
import { pictureBodies } from "../schemas/pictures.js";
import type { App, Service } from "../service.js";

/** A route that takes pictures and asks a model about them. */
export interface PictureRoute<M extends AnyServiceModel, P extends Record<string, TSchema>, R extends TSchema> {
  path: string;
  tag: string;
  summary: string;
  model: HostedModel<M>;
  /** Of the body, beside its pictures. */
  properties: P;
  response: R;
  handle: (
    request: { pictures: Uint8Array[]; options: { [name in keyof P]: Static<P[name]> }; signal: AbortSignal },
    model: HostedModel<M>,
  ) => Promise<Static<R>>;
}

/** Adds a route that takes pictures as JSON and as a form. */
export function addPictureRoute<M extends AnyServiceModel, P extends Record<string, TSchema>, R extends TSchema>(
  app: App,
  service: Service,
  { path, tag, summary, model, properties, response, handle }: PictureRoute<M, P, R>,
): void {
  const { limits } = service.options;
  const { body, form } = pictureBodies(limits, properties);
  app.post(
    path,
    {
      schema: { tags: [tag], summary, body, response: responses({ 200: response }, ...WORK_FAILURES) },
      onRequest: admit(service, model),
      preValidation: readForm(form, limits),
      preHandler: readPictures(service),
    },
    async (request: FastifyRequest) => {
      const { pictures, work } = request;
      // Validated against one of the two schemas, which differ in their pictures only.
      const { images: _images, ...rest } = request.body as { images: string[] };
      const options = rest as unknown as { [name in keyof P]: Static<P[name]> };
      return handle({ pictures, options, signal: work!.signal }, model);
    },
  );
}
