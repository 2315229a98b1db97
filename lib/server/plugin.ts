import multipart from "@fastify/multipart";
import rateLimit from "@fastify/rate-limit";
import { type TypeBoxTypeProvider, TypeBoxValidatorCompiler } from "@fastify/type-provider-typebox";
import type { FastifyPluginAsync } from "fastify";
import { requireToken } from "./auth.js";
import { addDocs, collectSchemas } from "./docs.js";
import { addErrorHandling } from "./error-handling.js";
import { ServiceError } from "./errors.js";
import { onEnd } from "./lifecycle.js";
import { Metrics } from "./metrics.js";
import { resolveOptions, type ServerOptions } from "./options.js";
import { captionRoutes } from "./routes/captions.js";
import { classificationRoutes } from "./routes/classifications.js";
import { imageRoutes, textRoutes } from "./routes/embeddings.js";
import { healthRoutes, metricsRoute } from "./routes/health.js";
import { jobRoutes } from "./routes/jobs.js";
import { modelRoutes } from "./routes/models.js";
import { openAiRoutes } from "./routes/openai.js";
import { addPage } from "./routes/page.js";
import { exact } from "./schemas/common.js";
import { type App, Service } from "./service.js";
import { validationError } from "./validation.js";

/**
 * The service as a Fastify plugin, to be registered in an application, usually under a prefix. The options are those of
 * `createServer`; `logger` is the application's.
 * @example
 * ```ts
 * await app.register(clipBlipService, { prefix: "/vision", clip: "openai/clip-vit-base-patch32", blip: false });
 * ```
 */
export const clipBlipService: FastifyPluginAsync<ServerOptions> = async (instance, serverOptions) => {
  const app = instance.withTypeProvider<TypeBoxTypeProvider>();
  const options = resolveOptions(serverOptions);
  const service = new Service(options, app.log);
  const metrics = new Metrics(service);

  app.removeContentTypeParser("text/plain");
  app.setValidatorCompiler(TypeBoxValidatorCompiler);
  // Schemas of responses are only for the documentation: JSON.stringify is fastest for embeddings.
  app.setSerializerCompiler(() => JSON.stringify);
  addErrorHandling(app);
  addLife(app, service, metrics);
  await collectSchemas(app, options);
  healthRoutes(app, service);
  await app.register(async (guarded: App) => {
    await addGuards(guarded, options);
    for (const addRoutes of [textRoutes, openAiRoutes, modelRoutes, jobRoutes]) addRoutes(guarded, service);
    metricsRoute(guarded, metrics);
    await addDocs(guarded);
    await addPage(guarded);
    await guarded.register(async (forms: App) => {
      await forms.register(multipart);
      for (const addRoutes of [imageRoutes, captionRoutes, classificationRoutes]) addRoutes(forms, service);
    });
  });
};

/** Adds what happens at the beginning and end of each request, and of the service. */
function addLife(app: App, service: Service, metrics: Metrics): void {
  app.decorateRequest("work", undefined);
  app.decorateRequest("pictures");
  app.addHook("onRoute", (route) => {
    const { schema } = route;
    route.bodyLimit ??= service.options.limits.bodyBytes;
    // Health, metrics and the page ignore a query, because probes and links carry some.
    if (schema?.tags && !schema.tags.includes("health")) schema.querystring ??= exact({});
    route.schemaErrorFormatter ??= (errors, part) =>
      validationError(errors, part, schema?.[part as "body" | "querystring" | "params"]);
  });
  app.addHook("onRequest", (request, reply, next) => {
    reply.headers({ "x-request-id": request.id, "x-content-type-options": "nosniff" });
    service.lifecycle.enter();
    onEnd(reply, (answered) => {
      service.lifecycle.leave();
      metrics.ended(request, reply, answered);
    });
    next();
  });
  app.addHook("onReady", async () => {
    // Not awaited, so that the server listens while the models load.
    void service.start();
  });
  app.addHook("preClose", () => service.lifecycle.drain(service.options.drainDeadline));
  app.addHook("onClose", async () => {
    await service.close();
    metrics.close();
  });
}

/** Adds the rate limit and the token check, which hold for all routes but those of health. */
async function addGuards(app: App, { token, rateLimit: limit }: ServerOptions): Promise<void> {
  if (limit !== undefined) {
    await app.register(rateLimit, {
      ...limit,
      errorResponseBuilder: (_request, { ttl }) =>
        new ServiceError(429, "ERR_RATE_LIMITED", "You have sent too many requests: try again later.", {
          retryAfter: Math.ceil(ttl / 1000),
        }),
    });
  }
  if (token !== undefined) app.addHook("onRequest", requireToken(token));
}
