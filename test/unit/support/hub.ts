import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import type { TestContext } from "vitest";
import { withoutHubVariables } from "./environment.js";

export const COMMIT = "0123456789abcdef0123456789abcdef01234567";

/** How the stand-in for the hub behaves. */
export interface HubBehaviour {
  /** Contents by name. */
  files: Map<string, Buffer>;
  /** Status of every answer about the model. */
  status?: number;
  /** Runs before a file is sent; true when it has answered itself. */
  beforeFile?: (name: string, response: ServerResponse, start: number) => boolean;
}

/** A server on this machine that answers like the Hugging Face hub about one model, "org/model". */
export interface FakeHub {
  behaviour: HubBehaviour;
  cache: string;
  /** What was asked for, in order: "info", "tree", or the name of a file. */
  requests: string[];
  /** Authorization headers that came, without repetition. */
  authorizations: Set<string>;
  close: () => Promise<void>;
}

/** Files of a fixture. */
export function filesOf(directory: string): Map<string, Buffer> {
  return new Map(readdirSync(directory).map((name) => [name, readFileSync(join(directory, name))]));
}

/** Starts the server, and points HF_ENDPOINT and HF_HUB_CACHE at it and at an empty cache until the test ends. */
export async function startHub(t: TestContext, files: Map<string, Buffer>): Promise<FakeHub> {
  const behaviour: HubBehaviour = { files };
  const requests: string[] = [];
  const authorizations = new Set<string>();
  const server = createServer((request, response) => {
    authorizations.add(request.headers.authorization ?? "none");
    answer(request, response, behaviour, requests);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const cache = join(withoutHubVariables(t), "hub");
  mkdirSync(cache);
  process.env.HF_ENDPOINT = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  process.env.HF_HUB_CACHE = cache;
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  t.onTestFinished(close);
  return { behaviour, cache, requests, authorizations, close };
}

function answer(request: IncomingMessage, response: ServerResponse, behaviour: HubBehaviour, requests: string[]): void {
  const { pathname } = new URL(request.url!, "http://hub");
  const json = (value: unknown, status = 200, headers = {}) => {
    response.writeHead(status, { "Content-Type": "application/json", ...headers }).end(JSON.stringify(value));
  };
  const refused = behaviour.status !== undefined || !pathname.includes("org/model/");
  if (pathname.startsWith("/api/models/org/model/revision/")) {
    requests.push("info");
    if (refused) json({ error: "Repository not found" }, behaviour.status);
    else json({ _id: "1", id: "org/model", sha: COMMIT, lastModified: "2025-01-01T00:00:00Z" });
    return;
  }
  const tree = /^\/api\/models\/org\/model\/tree\/([^/]+)(?:\/(.+))?$/.exec(pathname);
  if (tree?.[1] === COMMIT) {
    const folder = tree[2] === undefined ? "" : `${decodeURIComponent(tree[2])}/`;
    requests.push(folder === "" ? "tree" : `tree ${folder}`);
    const entries = entriesOf(behaviour.files, folder);
    if (entries.length === 0) json({ error: "Entry not found" }, 404, { "X-Error-Code": "EntryNotFound" });
    else json(entries);
    return;
  }
  const path = /^\/org\/model\/resolve\/[^/]+\/(.+)$/.exec(pathname)?.[1];
  const name = path === undefined ? undefined : path.split("/").map(decodeURIComponent).join("/");
  const bytes = name === undefined ? undefined : behaviour.files.get(name);
  if (name === undefined || bytes === undefined) {
    json({ error: "Not found" }, behaviour.status ?? 404);
    return;
  }
  requests.push(request.method === "HEAD" ? `head ${name}` : name);
  if (behaviour.status !== undefined) {
    response.writeHead(behaviour.status).end();
    return;
  }
  const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
  if (behaviour.beforeFile?.(name, response, start)) return;
  response.writeHead(start > 0 ? 206 : 200, { "Content-Length": bytes.length - start }).end(bytes.subarray(start));
}

/** The files in a folder, and the folders in it. */
function entriesOf(files: ReadonlyMap<string, Buffer>, folder: string): object[] {
  const inside = [...files].filter(([path]) => path.startsWith(folder));
  const names = new Set(inside.map(([path]) => path.slice(folder.length).split("/")[0]!));
  return [...names].map((name) => {
    const bytes = files.get(folder + name);
    return bytes === undefined ? { type: "directory", path: folder + name, oid: "0" } : treeEntry(folder + name, bytes);
  });
}

/** Large files are named by their SHA-256, small ones as Git does. */
function treeEntry(path: string, bytes: Buffer) {
  const oid = createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes).digest("hex");
  if (!isLarge(path)) return { type: "file", path, size: bytes.length, oid };
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  return { type: "file", path, size: bytes.length, oid, lfs: { oid: sha256, size: bytes.length, pointerSize: 134 } };
}

function isLarge(path: string): boolean {
  return /\.(safetensors|bin)$/.test(path);
}
