/** What the service answers where it cannot do what was asked. */
export class Refusal extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** A caption, as far as it is shown. */
export interface CaptionsAnswer {
  captions: { text: string }[];
}

export interface EmbeddingsAnswer {
  embeddings: number[][];
}

/** Labels of each picture, best first. */
export interface ClassificationsAnswer {
  classifications: { label: string; score: number }[][];
}

/** What the service tells of a model. */
export interface ModelCapabilities {
  model: string;
  device?: string;
  dtype?: string;
  embeds?: string[];
}

export interface CapabilitiesAnswer {
  clip?: ModelCapabilities;
  blip?: ModelCapabilities;
  limits: { imageBytes: number };
}

/**
 * Asks the service. The paths are relative: the page may stand below a prefix.
 * @throws Refusal; TypeError where the service cannot be reached; the reason of the signal
 */
export async function ask<T>(path: string, init: RequestInit = {}): Promise<T> {
  const response = await fetch(path, { ...init, credentials: "same-origin" });
  const json = response.headers.get("content-type")?.includes("json") ?? false;
  const body = json ? await response.json() : undefined;
  if (response.ok) return body;
  // A proxy in between has its own pages for errors.
  const { code = "ERR_HTTP", message = `The service answered with status ${response.status}.` } = body?.error ?? {};
  throw new Refusal(response.status, code, message);
}

/** A request that sends one picture, with further fields; a list is a field for each of its values. */
export function form(file: Blob, name: string, fields: Record<string, string[]> = {}): RequestInit {
  const body = new FormData();
  body.append("image", file, name);
  for (const [field, values] of Object.entries(fields)) for (const value of values) body.append(field, value);
  return { method: "POST", body };
}

/** A request that sends JSON. */
export function json(value: unknown): RequestInit {
  return { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(value) };
}
