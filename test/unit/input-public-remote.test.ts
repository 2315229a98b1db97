import assert from "node:assert/strict";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, test } from "vitest";
import { publicFetcher } from "../../lib/input/public-remote.js";

const routes: Record<string, RequestListener> = {
  "/picture": (_, response) => response.end("bytes"),
  "/moved": (_, response) => response.writeHead(302, { location: "/picture" }).end("elsewhere"),
  "/around": (_, response) => response.writeHead(302, { location: "/around" }).end(),
  "/file": (_, response) => response.writeHead(302, { location: "file:///etc/hostname" }).end(),
  "/nowhere": (_, response) => response.writeHead(301, { location: "http://" }).end(),
  "/inside": (_, response) => response.writeHead(307, { location: "http://127.0.0.2/picture" }).end(),
  "/busy": (_, response) => response.writeHead(503).end(),
  "/gone": (_, response) => response.writeHead(404).end(),
  "/announced": (_, response) => response.writeHead(200, { "content-length": 5000 }).flushHeaders(),
  "/broken": (_, response) => {
    response.writeHead(200, { "content-length": 100 }).write("part");
    setImmediate(() => response.destroy());
  },
  "/endless": (_, response) => {
    const pump = () => {
      if (!response.destroyed && response.write(Buffer.alloc(1000))) setImmediate(pump);
    };
    response.on("drain", pump).on("close", () => response.destroy());
    pump();
  },
  "/slow": () => {},
};

const requests: string[] = [];
const server = createServer((request, response) => {
  requests.push(request.url!);
  (routes[request.url!] ?? routes["/gone"]!)(request, response);
});
let port = 0;
beforeAll(async () => {
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  port = (server.address() as AddressInfo).port;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

const strict = publicFetcher({});
const local = publicFetcher({ allowedAddresses: ["127.0.0.1"], maxBytes: 4000 });
const get = (path: string, signal?: AbortSignal) => local(new URL(`http://127.0.0.1:${port}${path}`), "it", signal);
const failure = async (path: string) => {
  const error = await get(path).then(
    () => assert.fail(`${path} was fetched`),
    (reason) => reason,
  );
  return [error.code, error.transient];
};

describe("what leads to an address that is not public", () => {
  const hosts = [
    "127.0.0.1",
    "localhost",
    "0.0.0.0",
    "10.1.2.3",
    "192.168.0.1",
    "169.254.169.254",
    "100.64.0.1",
    "2130706433",
    "0x7f.1",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "[fd00::1]",
    "[fe80::1]",
    "[64:ff9b::7f00:1]",
  ];
  for (const host of hosts) {
    test(host, async () => {
      const before = requests.length;
      await assert.rejects(strict(new URL(`http://${host}:${port}/picture`), "it"), (error: Error) => {
        assert.equal((error as Error & { code: string }).code, "ERR_INVALID_ARGUMENT");
        assert.equal(error.message, "it could not be fetched: it leads to an address that is not public.");
        return true;
      });
      assert.equal(requests.length, before);
    });
  }

  test("is refused behind a redirect too", async () => {
    assert.deepEqual(await failure("/inside"), ["ERR_INVALID_ARGUMENT", false]);
  });
});

describe("what is fetched", () => {
  test("comes from addresses that were allowed", async () => {
    assert.equal(Buffer.from(await get("/picture")).toString(), "bytes");
    const range = publicFetcher({ allowedAddresses: ["127.0.0.0/8"] });
    assert.equal((await range(new URL(`http://localhost:${port}/moved`), "it")).length, 5);
  });

  test("follows redirects, some", async () => {
    assert.equal(Buffer.from(await get("/moved")).toString(), "bytes");
    const before = requests.length;
    assert.deepEqual(await failure("/around"), ["ERR_IMAGE_DECODE", false]);
    assert.equal(requests.length - before, 4);
    assert.deepEqual(await failure("/file"), ["ERR_IMAGE_DECODE", false]);
    assert.deepEqual(await failure("/nowhere"), ["ERR_IMAGE_DECODE", false]);
  });

  test("has no more bytes than allowed", async () => {
    assert.deepEqual(await failure("/announced"), ["ERR_IMAGE_TOO_LARGE", undefined]);
    assert.deepEqual(await failure("/endless"), ["ERR_IMAGE_TOO_LARGE", undefined]);
  });

  test("tells what may work later from what will not", async () => {
    assert.deepEqual(await failure("/busy"), ["ERR_IMAGE_DECODE", true]);
    assert.deepEqual(await failure("/broken"), ["ERR_IMAGE_DECODE", true]);
    assert.deepEqual(await failure("/gone"), ["ERR_IMAGE_DECODE", false]);
    const closed = createServer();
    await new Promise<void>((done) => closed.listen(0, "127.0.0.1", done));
    const nobody = `http://127.0.0.1:${(closed.address() as AddressInfo).port}/`;
    await new Promise((done) => closed.close(done));
    await assert.rejects(local(new URL(nobody), "it"), { code: "ERR_IMAGE_DECODE", transient: true });
  });

  test("is given up when nobody wants it any more", async () => {
    const reason = new Error("enough");
    const controller = new AbortController();
    setTimeout(() => controller.abort(reason), 20);
    await assert.rejects(get("/slow", controller.signal), reason);
  });
});
