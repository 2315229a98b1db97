import { type Static, type TSchema, Type } from "@fastify/type-provider-typebox";
import type { FastifyRequest } from "fastify";
import { admit } from "../admission.js";
import { readForm } from "../form.js";
import type { HostedModel } from "../hosted-model.js";
import type { AnyServiceModel } from "../models.js";
import type { Limits } from "../options.js";
import { readPictures } from "../pictures.js";
import { exact, responses, WORK_FAILURES } from "../schemas/common.js";
import type { App, Service } from "../service.js";

/** A route that runs a model on pictures. */
export interface PictureRoute<M extends AnyServiceModel, P extends Record<string, TSchema>, R extends TSchema> {
  path: string;
  tag: string;
  summary: string;
  model: HostedModel<M>;
  /** Properties of the body besides its pictures. */
  properties: P;
  response: R;
  handle: (
    request: { pictures: Uint8Array[]; options: { [name in keyof P]: Static<P[name]> }; signal: AbortSignal },
    model: HostedModel<M>,
  ) => Promise<Static<R>>;
}

/** Adds a route that takes pictures as JSON or as a form. */
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
      // Validated by one of the two schemas, which differ only in their pictures.
      const { images: _images, ...rest } = request.body as { images: string[] };
      const options = rest as unknown as { [name in keyof P]: Static<P[name]> };
      return handle({ pictures, options, signal: work!.signal }, model);
    },
  );
}

/** The bodies of a route that takes pictures: JSON, or a form whose files are the pictures. */
function pictureBodies<P extends Record<string, TSchema>>({ images }: Limits, properties: P) {
  const count = { minItems: 1, maxItems: images };
  const json = exact({
    images: Type.Array(
      Type.String({ minLength: 1, description: "A data: URL, base64 or, if the service allows it, an http(s): URL." }),
      count,
    ),
    ...properties,
  });
  const form = exact({
    images: Type.Array(Type.String({ format: "binary" }), { ...count, description: "Files, in fields of any name." }),
    ...properties,
  });
  return {
    form,
    /** For a route's `body`. */
    body: { content: { "application/json": { schema: json }, "multipart/form-data": { schema: form } } },
  };
}
