import { Type } from "@fastify/type-provider-typebox";
import { ServiceError } from "../errors.js";
import { responses } from "../schemas/common.js";
import type { Routes } from "../service.js";

const statusSchema = Type.Object({ status: Type.Literal("ok") });

/** GET /health/live and /health/ready. */
export const healthRoutes: Routes = (app, service) => {
  app.get(
    "/health/live",
    {
      logLevel: "warn",
      schema: {
        tags: ["health"],
        summary: "Whether the process works; if not, it must be restarted",
        response: responses({ 200: statusSchema }, 503),
      },
    },
    async () => {
      if (service.models.some((model) => model.lost)) {
        throw new ServiceError(503, "ERR_DEVICE_LOST", "The device failed: the service must be restarted.");
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
        summary: "Whether the service takes work: models loaded and warmed up, inference working, not shutting down",
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
