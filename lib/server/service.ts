import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type {
  FastifyBaseLogger,
  FastifyInstance,
  RawReplyDefaultExpression,
  RawRequestDefaultExpression,
  RawServerDefault,
} from "fastify";
import type { ClipBlipError } from "../common/errors.js";
import { type Fetcher, publicFetcher } from "../input/public-remote.js";
import { drainingError, type ServiceError } from "./errors.js";
import { BodyBudget } from "./gate.js";
import { HostedModel } from "./hosted-model.js";
import { Lifecycle } from "./lifecycle.js";
import { blipOrigin, clipOrigin, type ServiceBlip, type ServiceClip } from "./models.js";
import type { ServiceOptions } from "./options.js";

/** A Fastify instance that takes the types of requests from their schemas. */
export type App = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>;

/** Adds a group of routes. */
export type Routes = (app: App, service: Service) => void;

/** What the routes share: the models, the limits, and the lifecycle. */
export class Service {
  readonly options: ServiceOptions;
  readonly clip: HostedModel<ServiceClip> | undefined;
  readonly blip: HostedModel<ServiceBlip> | undefined;
  readonly lifecycle = new Lifecycle();
  readonly bodies: BodyBudget;
  /** Fetches pictures by URL; undefined if that is not allowed. */
  readonly fetchPicture: Fetcher | undefined;

  constructor(options: ServiceOptions, log: FastifyBaseLogger) {
    const { clip, blip, load, maxQueue, limits, allowRemote, allowedAddresses } = options;
    let lost = false;
    const onDeviceLost = () => {
      if (!lost) options.onDeviceLost?.();
      lost = true;
    };
    const onStartFailure = (error: ClipBlipError) => log.error({ err: error }, "A model could not be loaded.");
    this.options = options;
    this.bodies = new BodyBudget(limits.pendingBytes);
    if (allowRemote) this.fetchPicture = publicFetcher({ allowedAddresses, maxBytes: limits.imageBytes });
    if (clip !== false) {
      this.clip = new HostedModel({
        origin: clipOrigin(clip),
        load,
        maxQueue,
        check: checkClip,
        onStartFailure,
        onDeviceLost,
      });
    }
    if (blip !== false) {
      this.blip = new HostedModel({
        origin: blipOrigin(blip),
        load,
        maxQueue,
        check: (model, signal) => model.caption([PICTURE], { maxLength: 3, minLength: 0, signal }),
        onStartFailure,
        onDeviceLost,
      });
    }
  }

  /** The models of this service. */
  get models(): (HostedModel<ServiceClip> | HostedModel<ServiceBlip>)[] {
    return [this.clip, this.blip].filter((model) => model !== undefined);
  }

  /** Loads and warms up one model after the other, so that neither measures memory while the other changes it. */
  async start(): Promise<void> {
    for (const model of this.models) await model.start();
  }

  /** Why the service is not ready; undefined if it is. */
  async notReady(): Promise<ServiceError | undefined> {
    if (this.lifecycle.draining) return drainingError();
    for (const model of this.models) {
      const reason = await model.notReady();
      if (reason) return reason;
    }
    return undefined;
  }

  /** Why no work is accepted now, without running a model; undefined if it is. */
  unavailable(): ServiceError | undefined {
    if (this.lifecycle.draining) return drainingError();
    for (const model of this.models) {
      const reason = model.unavailable();
      if (reason) return reason;
    }
    return undefined;
  }

  /** Closes models and jobs. Called when all requests have ended. */
  async close(): Promise<void> {
    await Promise.all([...this.models.map((model) => model.close()), this.options.jobs?.close()]);
  }
}

/** A grey picture of 8 x 8 pixels. */
const PICTURE = { data: new Uint8Array(8 * 8 * 3).fill(128), width: 8, height: 8, channels: 3 as const };

async function checkClip(model: ServiceClip, signal: AbortSignal): Promise<void> {
  const { embeds } = model.capabilities();
  if (embeds?.includes("text") ?? true) await model.encodeTexts(["a"], { signal });
  else await model.encodeImages([PICTURE], { signal });
}
