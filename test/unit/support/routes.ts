import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { TestContext } from "vitest";

/** An answer for the requests that match; see ../../fixtures/hub/make_answers.py, which serves the same tables. */
export interface Route {
  /** Pattern of the whole path. */
  path: string;
  /** Text in the query. */
  query?: string;
  /** The server that it is for. Default: both. */
  server?: "hub" | "other";
  /** Number of requests that it is for. Default: all. */
  times?: number;
  /** Headers with which it does not apply. */
  unless?: Record<string, string>;
  status: number;
  headers?: Record<string, string>;
  body?: string;
  json?: unknown;
  /** Whether the answer has no length. */
  chunked?: boolean;
}

/** A request that a server got. */
export interface Seen {
  server: "hub" | "other";
  method: string;
  /** With the query; a whole URL where the server is a proxy. */
  url: string;
  headers: IncomingMessage["headers"];
}

/** Two servers under different names, which answer by a table until the test ends. */
export interface Servers {
  seen: Seen[];
  /** Puts their addresses in the place of "{hub}", "{hub.host}" and "{other}". */
  fill: (text: string) => string;
}

export async function startServers(t: TestContext, table: readonly Route[]): Promise<Servers> {
  const seen: Seen[] = [];
  const routes = table.map((route) => ({ ...route }));
  const ports: Record<string, number> = {};
  const fill = (text: string) =>
    text
      .replaceAll("{hub.host}", `127.0.0.1:${ports.hub}`)
      .replaceAll("{hub}", `http://127.0.0.1:${ports.hub}`)
      .replaceAll("{other}", `http://localhost:${ports.other}`);
  for (const server of ["hub", "other"] as const) {
    const listener = createServer((request, response) => {
      const { method = "", url = "", headers } = request;
      seen.push({ server, method, url, headers });
      send(response, find(routes, server, request), fill);
    });
    await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
    ports[server] = (listener.address() as AddressInfo).port;
    t.onTestFinished(() => {
      listener.close();
      listener.closeAllConnections();
    });
  }
  return { seen, fill };
}

function find(routes: Route[], server: string, { url = "", headers }: IncomingMessage): Route {
  const [path = "", query = ""] = url.replace(/^https?:\/\/[^/]+/, "").split("?");
  const found = routes.find(
    (route) =>
      new RegExp(`^(?:${route.path})$`).test(path) &&
      query.includes(route.query ?? "") &&
      (route.server ?? server) === server &&
      route.times !== 0 &&
      !Object.entries(route.unless ?? {}).some(([name, value]) => headers[name] === value),
  );
  if (found?.times !== undefined) found.times--;
  return found ?? { path, status: 404, body: "Not Found" };
}

function send(response: ServerResponse, route: Route, fill: (text: string) => string): void {
  response.statusCode = route.status;
  for (const [name, value] of Object.entries(route.headers ?? {})) if (value) response.setHeader(name, fill(value));
  const body = route.json === undefined ? (route.body ?? "") : JSON.stringify(route.json);
  if (route.chunked) response.setHeader("Connection", "close");
  else response.setHeader("Content-Length", Buffer.byteLength(body));
  response.end(body);
}
