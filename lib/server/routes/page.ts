import { fileURLToPath } from "node:url";
import fastifyStatic from "@fastify/static";
import type { App } from "../service.js";

/** What the page loads; its modules are compiled into the folder of the others. */
const FILES = [
  "style.css",
  "icon.svg",
  ...["api", "dom", "main", "picture", "picture-card", "service-state", "worker-pool"].map((name) => `${name}.js`),
];

/** Nothing is loaded from elsewhere, nothing runs but the page's own modules, and no other page can frame it. */
const SECURITY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' blob:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

/** GET /, the page to drop pictures on. */
export async function addPage(app: App): Promise<void> {
  await app.register(fastifyStatic, {
    root: fileURLToPath(new URL("../page", import.meta.url)),
    // No route for whatever lies there: each file has its own below.
    serve: false,
    cacheControl: false,
    setHeaders: (reply) => {
      reply.headers({
        "content-security-policy": SECURITY,
        "referrer-policy": "no-referrer",
        // Asked for again each time, and answered with 304 where nothing changed.
        "cache-control": "no-cache",
      });
    },
  });
  const options = { logLevel: "warn", schema: { hide: true } } as const;
  app.get("/", options, (request, reply) => {
    const path = request.url.split("?", 1)[0]!;
    // Below a prefix: the page's addresses are relative, and have to begin in its own folder.
    if (!path.endsWith("/")) return reply.redirect(`${path.slice(path.lastIndexOf("/") + 1)}/`);
    return reply.sendFile("index.html");
  });
  for (const name of FILES) app.get(`/${name}`, options, (_request, reply) => reply.sendFile(name));
}
