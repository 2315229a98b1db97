import multipart from "@fastify/multipart";
import rateLimit from "@fastify/rate-limit";
import { type TypeBoxTypeProvider, TypeBoxValidatorCompiler } from "@fastify/type-provider-typebox";
import type { FastifyPluginAsync } from "fastify";
import { requireToken } from "./auth.js";
import { addDocs, collectSchemas } from "./docs.js";
import { addErrorHandling } from "./error-handling.js";
import { ServiceError } from "./errors.js";
import { Metrics } from "./metrics.js";
import { onEnd } from "./on-end.js";
import { resolveOptions, type ServerOptions } from "./options.js";
import { captionRoutes } from "./routes/captions.js";
import { classificationRoutes } from "./routes/classifications.js";
import { healthRoutes } from "./routes/health.js";
import { imageRoutes } from "./routes/images.js";
import { jobRoutes } from "./routes/jobs.js";
import { metricsRoute } from "./routes/metrics.js";
import { modelRoutes } from "./routes/models.js";
import { openAiRoutes } from "./routes/openai.js";
import { addPage } from "./routes/page.js";
import { textRoutes } from "./routes/texts.js";
import { type App, Service } from "./service.js";

/** The service as a Fastify plugin, to be registered under a prefix of an application. */
export const clipBlipService: FastifyPluginAsync<ServerOptions> = async (instance, serverOptions) => {
  const app = instance.withTypeProvider<TypeBoxTypeProvider>();
  const options = resolveOptions(serverOptions);
  const service = new Service(options, app.log);
  const metrics = new Metrics(service);

  app.removeContentTypeParser("text/plain");
  app.setValidatorCompiler(TypeBoxValidatorCompiler);
  // The schemas of answers are documentation; an embedding is written fastest by JSON.stringify itself.
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

/** What every request and the service itself begin and end with. */
function addLife(app: App, service: Service, metrics: Metrics): void {
  app.decorateRequest("work", undefined);
  app.decorateRequest("pictures");
  app.addHook("onRoute", (route) => {
    route.bodyLimit ??= service.options.limits.bodyBytes;
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
    // Not awaited: the server listens while the models load.
    void service.start();
  });
  app.addHook("preClose", () => service.lifecycle.drain(service.options.drainDeadline));
  app.addHook("onClose", async () => {
    await service.close();
    metrics.close();
  });
}

/** What stands before every route but those of health. */
async function addGuards(app: App, { token, rateLimit: limit }: ServerOptions): Promise<void> {
  if (limit !== undefined) {
    await app.register(rateLimit, {
      ...limit,
      errorResponseBuilder: (_request, { ttl }) =>
        new ServiceError(429, "ERR_RATE_LIMITED", "You have sent too many requests: wait a while.", {
          retryAfter: Math.ceil(ttl / 1000),
        }),
    });
  }
  if (token !== undefined) app.addHook("onRequest", requireToken(token));
}
