import type { Metrics } from "../metrics.js";
import type { App } from "../service.js";

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
