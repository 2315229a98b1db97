import assert from "node:assert/strict";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, test } from "vitest";
import { decodeImage } from "../../lib/input/decode.js";
import { MAX_REMOTE_BYTES } from "../../lib/input/limits.js";
import { difference, expectedPixels, pictureBytes } from "../fixtures/pictures.js";

const routes: Record<string, RequestListener> = {
  "/cat.jpg": (_, response) => response.end(pictureBytes("jpeg-420.jpg")),
  "/moved": (_, response) => response.writeHead(302, { location: "/cat.jpg" }).end(),
  "/elsewhere": (_, response) => response.writeHead(302, { location: "file:///etc/hostname" }).end(),
  "/page": (_, response) => response.end("<html>"),
  "/nothing": (_, response) => response.writeHead(204).end(),
  "/announced": (_, response) => response.writeHead(200, { "content-length": MAX_REMOTE_BYTES + 1 }).flushHeaders(),
  "/endless": (_, response) => {
    const chunk = Buffer.alloc(1 << 20);
    const pump = () => {
      if (!response.destroyed && response.write(chunk)) setImmediate(pump);
    };
    response.on("drain", pump).on("close", () => response.destroy());
    pump();
  },
  "/broken": (_, response) => {
    response.write(pictureBytes("jpeg-420.jpg").subarray(0, 100));
    setImmediate(() => response.destroy());
  },
  "/slow": () => {},
};

const server = createServer((request, response) => {
  const route = routes[new URL(request.url!, "http://x").pathname];
  if (route) route(request, response);
  else response.writeHead(404).end();
});
let origin = "";
beforeAll(async () => {
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

const remote = { allowRemote: true };

test("a picture is fetched, redirects followed", async () => {
  for (const input of [`${origin}/cat.jpg`, new URL("/moved", origin)]) {
    const image = await decodeImage(input, remote);
    assert.equal(difference(image.data, expectedPixels("jpeg-420.jpg")).max, 0);
  }
});

test("failures name the URL without its query", async () => {
  const expected: [string, RegExp][] = [
    ["/none?token=secret", /^"http:[^?]*\/none" could not be fetched: the server answered 404/],
    ["/page", /\/page" is a web page, not a picture/],
    ["/nothing", /\/nothing" is empty/],
    ["/broken", /\/broken" (?:broke off|could not be fetched|cannot be decoded)/],
    ["/elsewhere", /\/elsewhere" could not be fetched/],
  ];
  for (const [path, message] of expected) {
    await assert.rejects(decodeImage(origin + path, remote), { code: "ERR_IMAGE_DECODE", message });
  }
  const refused = decodeImage("http://127.0.0.1:1/cat.jpg", remote);
  await assert.rejects(refused, { code: "ERR_IMAGE_DECODE", message: /could not be fetched: / });
});

test("answers of more than 50 MiB are refused, announced or not", async () => {
  for (const path of ["/announced", "/endless"]) {
    const message = /is larger than 50 MiB/;
    await assert.rejects(decodeImage(origin + path, remote), { code: "ERR_IMAGE_TOO_LARGE", message });
  }
});

test("a signal ends a fetch", async () => {
  const reason = new Error("enough");
  const controller = new AbortController();
  const result = decodeImage(`${origin}/slow`, { ...remote, signal: controller.signal });
  setTimeout(() => controller.abort(reason), 20);
  await assert.rejects(result, reason);
});
