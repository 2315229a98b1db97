import { type TypeBoxTypeProvider, TypeBoxValidatorCompiler } from "@fastify/type-provider-typebox";
import type { FastifyPluginAsync } from "fastify";
import { addErrorHandling } from "./error-handling.js";
import { resolveOptions, type ServerOptions } from "./options.js";
import { jobRoutes } from "./routes/jobs.js";
import type { Service } from "./service.js";

/** The service as a Fastify plugin, to be registered under a prefix of an application. */
export const clipBlipService: FastifyPluginAsync<ServerOptions> = async (instance, serverOptions) => {
  const app = instance.withTypeProvider<TypeBoxTypeProvider>();
  app.removeContentTypeParser("text/plain");
  app.setValidatorCompiler(TypeBoxValidatorCompiler);
  // The schemas of answers are documentation; an embedding is written fastest by JSON.stringify itself.
  app.setSerializerCompiler(() => JSON.stringify);
  addErrorHandling(app);
  const service: Service = { options: resolveOptions(serverOptions) };
  app.addHook("onRoute", (route) => {
    route.bodyLimit ??= service.options.limits.bodyBytes;
  });
  for (const addRoutes of [jobRoutes]) addRoutes(app, service);
  app.addHook("onClose", async () => {
    await service.options.jobs?.close();
  });
};
