import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer, type ServerOptions, type ServiceClip } from "clip-blip/server";
import type { FastifyInstance } from "fastify";
import { demoPictures } from "../library/models.js";

/** The demo pictures, as files have them. */
export const pictures = demoPictures.map((path) => readFileSync(path));

/** Models in a form whose numbers can be compared. */
export const LOAD = { device: "cpu", dtype: "float32" } as const;

/** A service that listens on a port of its own, without a log. */
export interface Running {
  app: FastifyInstance;
  url: string;
}

export async function listen(options: ServerOptions = {}): Promise<Running> {
  const app = createServer({ logger: false, load: LOAD, ...options });
  return { app, url: await app.listen({ port: 0 }) };
}

/** Waits until the service is ready; fails where it never will be. */
export async function ready(url: string): Promise<void> {
  for (;;) {
    const response = await fetch(`${url}/health/ready`);
    const body = await response.text();
    if (response.ok) return;
    assert.match(body, /ERR_NOT_READY/);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** An answer, as tests look at it. */
export interface Answer {
  status: number;
  headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: what a route answers is what its test asserts
  body: any;
}

export async function request(url: string, init?: RequestInit): Promise<Answer> {
  const response = await fetch(url, init);
  const text = await response.text();
  const json = response.headers.get("content-type")?.includes("json");
  return { status: response.status, headers: response.headers, body: json ? JSON.parse(text) : text };
}

/** Posts JSON. */
export const post = (url: string, body: unknown, init: RequestInit = {}): Promise<Answer> =>
  request(url, {
    ...init,
    method: "POST",
    headers: { "content-type": "application/json", ...init.headers },
    body: JSON.stringify(body),
  });

/** Posts pictures as files of a form, with further fields; a list is a field for each of its values. */
export function postForm(
  url: string,
  files: Uint8Array<ArrayBuffer>[],
  fields: Record<string, string | string[]> = {},
  init: RequestInit = {},
): Promise<Answer> {
  const form = new FormData();
  for (const [index, bytes] of files.entries()) form.append("file", new Blob([bytes]), `picture-${index}`);
  for (const [name, values] of Object.entries(fields)) for (const value of [values].flat()) form.append(name, value);
  return request(url, { ...init, method: "POST", body: form });
}

/** A picture as JSON takes it. */
export const dataUrl = (bytes: Uint8Array): string => `data:image/jpeg;base64,${Buffer.from(bytes).toString("base64")}`;

/** A stand-in for a model, where a test has to decide when and how it answers. */
export function fakeClip(behaviour: Partial<ServiceClip> = {}): ServiceClip {
  const vectors = (items: unknown[]) => items.map(() => Float32Array.of(1, 0));
  return {
    encodeImages: async (images) => vectors(images),
    encodeTexts: async (texts) => vectors(texts),
    countTokens: (texts) => texts.map(() => 3),
    classify: async (images, labels) => images.map(() => labels.map((label) => ({ label, score: 1 / labels.length }))),
    capabilities: () =>
      ({
        architecture: "clip",
        device: "cpu",
        embeds: ["image", "text"],
        dimension: 2,
        memory: { free: 1, total: 2, allocated: 0, peak: 0 },
        state: "loaded",
      }) as ReturnType<ServiceClip["capabilities"]>,
    warmup: async () => {},
    unload: async () => {},
    close: async () => {},
    ...behaviour,
  };
}

/** A promise that a test settles. */
export function deferred(): { promise: Promise<void>; resolve: () => void } {
  let resolve!: () => void;
  const promise = new Promise<void>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
