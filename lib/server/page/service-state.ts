import { ask, type CapabilitiesAnswer, Refusal } from "./api.js";

/** What the page knows of the service. */
export type ServiceState =
  | { kind: "loading"; text: string }
  | { kind: "failed"; text: string }
  | { kind: "ready"; text: string; capabilities: CapabilitiesAnswer };

/** Milliseconds between two looks while the service is not ready. */
const POLL = 1000;

/** Looks after the service until it is ready, and again whenever a request has met one that is not. */
export class ServiceWatch {
  readonly #onChange: (state: ServiceState) => void;
  #looking: Promise<CapabilitiesAnswer> | undefined;

  constructor(onChange: (state: ServiceState) => void) {
    this.#onChange = onChange;
  }

  /** Resolves when the service takes work; shared by all that wait. */
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

/** Whether a request may succeed later, as it is. */
export function isPassing(error: unknown): boolean {
  if (error instanceof Refusal) return error.status === 503 || error.status === 429 || error.status === 502;
  // What fetch throws where there is no connection.
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
