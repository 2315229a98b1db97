import { ask, type CapabilitiesAnswer, Refusal } from "./api.js";

/** The state of the service, as far as the page knows it. */
export type ServiceState =
  | { kind: "loading"; text: string }
  | { kind: "failed"; text: string }
  | { kind: "ready"; text: string; capabilities: CapabilitiesAnswer };

/** Milliseconds between two checks while the service is not ready. */
const POLL = 1000;

/** Polls the service until it is ready, at first and after each request that found it not ready. */
export class ServiceWatch {
  readonly #onChange: (state: ServiceState) => void;
  #looking: Promise<CapabilitiesAnswer> | undefined;

  constructor(onChange: (state: ServiceState) => void) {
    this.#onChange = onChange;
  }

  /** Resolves when the service is ready. All who wait share one poll. */
  whenReady(): Promise<CapabilitiesAnswer> {
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  async #look(): Promise<CapabilitiesAnswer> {
    for (;;) {
      try {
        await ask("health/ready");
        const capabilities = await ask<CapabilitiesAnswer>("api/v1/capabilities");
        this.#onChange({ kind: "ready", text: describe(capabilities), capabilities });
        return capabilities;
      } catch (error) {
        this.#onChange(trouble(error));
      }
      await new Promise((resolve) => setTimeout(resolve, POLL));
    }
  }
}

/** Whether the same request may succeed later. */
export function isPassing(error: unknown): boolean {
  if (error instanceof Refusal) return error.status === 503 || error.status === 429 || error.status === 502;
  // What fetch throws if there is no connection.
  return error instanceof TypeError;
}

function trouble(error: unknown): ServiceState {
  if (!(error instanceof Refusal)) return { kind: "failed", text: "The service cannot be reached; trying again…" };
  if (error.code === "ERR_NOT_READY") return { kind: "loading", text: "The models are loading…" };
  return { kind: "failed", text: error.message };
}

function describe({ clip, blip }: CapabilitiesAnswer): string {
  const models = [...new Set([clip, blip].flatMap((model) => (model ? [model.model] : [])))];
  const { device, dtype } = clip ?? blip ?? {};
  return `Ready: ${models.join(" and ")} on ${device}, ${dtype}`;
}
