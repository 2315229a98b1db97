import { readFileSync } from "node:fs";
import swagger from "@fastify/swagger";
import swaggerUi from "@fastify/swagger-ui";
import { packagePath } from "../common/package-path.js";
import type { App } from "./service.js";

/** Collects the schemas of all routes that are added after this. */
export async function collectSchemas(app: App, { token }: { token?: string }): Promise<void> {
  const { version } = JSON.parse(readFileSync(packagePath("package.json"), "utf8"));
  await app.register(swagger, {
    openapi: {
      openapi: "3.1.0",
      info: {
        title: "clip-blip",
        version,
        description: "CLIP embeddings and BLIP captions. Every error is {error: {code, message}}.",
      },
      ...(token === undefined
        ? {}
        : {
            components: { securitySchemes: { token: { type: "http", scheme: "bearer" } } },
            security: [{ token: [] }],
          }),
    },
  });
}

/** GET /openapi.json and /docs. */
export async function addDocs(app: App): Promise<void> {
  app.get("/openapi.json", { schema: { hide: true } }, async () => app.swagger());
  await app.register(swaggerUi, { routePrefix: "/docs", staticCSP: true, logLevel: "warn" });
}
