import { Type } from "@fastify/type-provider-typebox";
import type { FastifyRequest } from "fastify";
import { assertOptions } from "../../common/validate.js";
import { refuseWhileDraining } from "../admission.js";
import type { HostedModel } from "../hosted-model.js";
import type { AnyServiceModel } from "../models.js";
import { responses } from "../schemas/common.js";
import type { Routes, Service } from "../service.js";

const modelSchema = Type.Object(
  {
    model: Type.String(),
    state: Type.Enum(["loading", "ready", "unloaded", "failed"], {
      description: '"unloaded": the next request loads the weights again.',
    }),
  },
  { description: "Once the model is loaded, also its device, dtype, dimension, memory and more." },
);

const capabilitiesSchema = Type.Object({
  clip: Type.Optional(modelSchema),
  blip: Type.Optional(modelSchema),
  limits: Type.Record(Type.String(), Type.Number(), { description: "Limits of a request." }),
});

/** GET /api/v1/capabilities, POST /api/v1/warmup and /api/v1/cooldown. */
export const modelRoutes: Routes = (app, service) => {
  const tags = ["models"];

  app.get(
    "/api/v1/capabilities",
    {
      schema: {
        tags,
        summary: "Returns the models, their devices, and the limits of a request",
        response: responses({ 200: capabilitiesSchema }, 401, 422),
      },
    },
    async () => capabilities(service),
  );

  app.post(
    "/api/v1/warmup",
    {
      schema: {
        tags,
        summary: "Loads the models if necessary, and runs a batch of each size",
        response: responses({ 200: capabilitiesSchema }, 400, 401, 413, 415, 422, 500, 503),
      },
      onRequest: refuseWhileDraining(service),
      preValidation: refuseBody,
    },
    async () => {
      await service.start();
      const reason = await service.notReady();
      if (reason) throw reason;
      return capabilities(service);
    },
  );

  app.post(
    "/api/v1/cooldown",
    {
      schema: {
        tags,
        summary: "Unloads the weights from the device; the next request loads them again",
        response: responses({ 200: capabilitiesSchema }, 400, 401, 413, 415, 422, 500, 503),
      },
      preValidation: refuseBody,
    },
    async () => {
      const unavailable = service.unavailable();
      if (unavailable) throw unavailable;
      await Promise.all(service.models.map((model) => model.unload()));
      return capabilities(service);
    },
  );
};

/** Refuses a body that asks for something: these routes have no options. */
async function refuseBody({ body }: FastifyRequest): Promise<void> {
  if (body === undefined || body === null) return;
  assertOptions(body, "body", []);
}

function capabilities({ clip, blip, options }: Service) {
  return {
    ...(clip && { clip: describe(clip) }),
    ...(blip && { blip: describe(blip) }),
    limits: { ...options.limits, maxQueue: options.maxQueue },
  };
}

function describe<M extends AnyServiceModel>(hosted: HostedModel<M>) {
  return { model: hosted.label, ...hosted.capabilities(), state: hosted.state };
}
