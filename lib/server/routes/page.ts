import fastifyStatic from "@fastify/static";
import { packagePath } from "../../common/package-path.js";
import type { App } from "../service.js";

/** The files of the page; its modules are compiled into the same folder. */
const FILES = [
  "style.css",
  "icon.svg",
  ...["api", "dom", "main", "picture", "picture-card", "service-state", "worker-pool"].map((name) => `${name}.js`),
];

/** Loads nothing from elsewhere, runs only the page's own modules, and lets no other page frame it. */
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
    root: packagePath("dist/server/page"),
    // No wildcard route: each file has its own below.
    serve: false,
    cacheControl: false,
    setHeaders: (reply) => {
      reply.headers({
        "content-security-policy": SECURITY,
        "referrer-policy": "no-referrer",
        // Revalidated each time, and answered with 304 if nothing has changed.
        "cache-control": "no-cache",
      });
    },
  });
  const options = { logLevel: "warn", schema: { hide: true } } as const;
  app.get("/", options, (request, reply) => {
    const path = request.url.split("?", 1)[0]!;
    // Below a prefix the URL must end in a slash, because the page's own URLs are relative.
    if (!path.endsWith("/")) return reply.redirect(`${path.slice(path.lastIndexOf("/") + 1)}/`);
    return reply.sendFile("index.html");
  });
  for (const name of FILES) app.get(`/${name}`, options, (_request, reply) => reply.sendFile(name));
}
