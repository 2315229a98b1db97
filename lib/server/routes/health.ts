import { Type } from "@fastify/type-provider-typebox";
import { ServiceError } from "../errors.js";
import type { Metrics } from "../metrics.js";
import { responses } from "../schemas/common.js";
import type { App, Routes } from "../service.js";

const statusSchema = Type.Object({ status: Type.Literal("ok") });

/** GET /health/live and /health/ready. */
export const healthRoutes: Routes = (app, service) => {
  app.get(
    "/health/live",
    {
      logLevel: "warn",
      schema: {
        tags: ["health"],
        summary: "Tells whether the process works; if not, it must be restarted",
        response: responses({ 200: statusSchema }, 503),
      },
    },
    async () => {
      if (service.models.some((model) => model.lost)) {
        throw new ServiceError(503, "ERR_DEVICE_LOST", "The device was lost: the service must be restarted.");
      }
      return { status: "ok" as const };
    },
  );

  app.get(
    "/health/ready",
    {
      logLevel: "warn",
      schema: {
        tags: ["health"],
        summary: "Tells whether the service is ready: models warmed up, inference working, not shutting down",
        response: responses({ 200: statusSchema }, 503),
      },
    },
    async () => {
      const reason = await service.notReady();
      if (reason) throw reason;
      return { status: "ok" as const };
    },
  );
};

/** GET /metrics, in the text format of Prometheus. */
export function metricsRoute(app: App, { registry }: Metrics): void {
  app.get(
    "/metrics",
    { logLevel: "warn", schema: { tags: ["health"], summary: "Metrics for Prometheus", produces: ["text/plain"] } },
    async (_request, reply) => {
      reply.type(registry.contentType);
      return registry.metrics();
    },
  );
}
