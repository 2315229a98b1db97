import { isDataUrl } from "../../input/picture-text.js";
import type { JobImage, JobRequest } from "../../models/jobs.js";
import { refuseWhileDraining } from "../admission.js";
import { ServiceError } from "../errors.js";
import { responses } from "../schemas/common.js";
import { jobSchemas } from "../schemas/jobs.js";
import type { Routes } from "../service.js";

/** POST /api/v1/jobs and GET /api/v1/jobs/:id: batches of picture URIs for the workers. */
export const jobRoutes: Routes = (app, service) => {
  const { jobs, limits, allowRemote } = service.options;
  const { request, accepted, parameters, status } = jobSchemas(limits);

  app.post(
    "/api/v1/jobs",
    {
      schema: {
        tags: ["jobs"],
        summary: "Queues a batch of pictures for the workers",
        body: request,
        response: responses({ 202: accepted }, 400, 401, 413, 415, 422, 429, 500, 503),
      },
      onRequest: refuseWhileDraining(service),
    },
    async ({ body }, reply) => {
      if (!jobs) {
        throw new ServiceError(
          503,
          "ERR_NO_JOBS",
          "This service has no job queue: start it with --redis, or with the option jobs.",
        );
      }
      refuseForeignOptions(body);
      const images = body.images.map(named);
      if (!allowRemote) refuseRemote(images);
      refuseDuplicates(images);
      const { id } = await jobs.enqueue({ ...body, images } as JobRequest);
      return reply.code(202).send({ id });
    },
  );

  app.get(
    "/api/v1/jobs/:id",
    {
      schema: {
        tags: ["jobs"],
        summary: "Returns the progress of a job, and its results once it is completed",
        params: parameters,
        response: responses({ 200: status }, 401, 404, 422, 500, 503),
      },
    },
    async ({ params }) => {
      const found = await jobs?.status(params.id);
      if (!found) throw new ServiceError(404, "ERR_NOT_FOUND", "There is no job with this id: it may have expired.");
      return found;
    },
  );
};

function named(image: string | JobImage): JobImage {
  return typeof image === "string" ? { uri: image } : image;
}

function refuseForeignOptions({ type, options = {} }: { type: JobRequest["type"]; options?: object }): void {
  const foreign = Object.keys(options).filter((name) => (name === "normalize") !== (type === "embeddings"));
  if (foreign.length === 0) return;
  throw new ServiceError(422, "ERR_INVALID_ARGUMENT", `Jobs of ${type} have no option ${foreign.join(", ")}.`);
}

function refuseRemote(images: JobImage[]): void {
  const index = images.findIndex(({ uri }) => /^https?:/i.test(uri.trim()));
  if (index < 0) return;
  const message = `This service does not accept pictures by URL: send file: or data: URLs (item ${index}).`;
  throw new ServiceError(422, "ERR_INVALID_ARGUMENT", message, { index });
}

/** Results are identified by their keys, so no two pictures may have the same. */
function refuseDuplicates(images: JobImage[]): void {
  const seen = new Set<string>();
  for (const [index, { key, uri }] of images.entries()) {
    // Without a key, the result of a data: URL is named by its position.
    const name = key ?? (isDataUrl(uri) ? String(index) : uri);
    if (seen.has(name)) {
      const message = `Two pictures have the same key: give each its own "key" (item ${index}).`;
      throw new ServiceError(422, "ERR_INVALID_ARGUMENT", message, { index });
    }
    seen.add(name);
  }
}
