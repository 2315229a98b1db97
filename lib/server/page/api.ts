/** An error that the service answered with. */
export class Refusal extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** Captions of pictures; only what the page shows. */
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

/** A model of the service; only what the page uses. */
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
 * Sends a request to the service. Paths are relative, because the page may be below a prefix.
 * @throws Refusal; TypeError if the service cannot be reached; the signal's reason
 */
export async function ask<T>(path: string, init: RequestInit = {}): Promise<T> {
  const response = await fetch(path, { ...init, credentials: "same-origin" });
  const json = response.headers.get("content-type")?.includes("json") ?? false;
  const body = json ? await response.json() : undefined;
  if (response.ok) return body;
  // A proxy in between may answer with an error page of its own.
  const { code = "ERR_HTTP", message = `The service answered with status ${response.status}.` } = body?.error ?? {};
  throw new Refusal(response.status, code, message);
}

/** A request that sends one picture and other fields, each with one or more values. */
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
