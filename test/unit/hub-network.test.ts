import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer as createPlain, type RequestListener } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeEach, describe, type TestContext, test } from "vitest";
import { fetchFromHub } from "../../lib/hub/hub.js";
import { rejectsWith } from "./support/checkpoint.js";
import { withoutHubVariables } from "./support/environment.js";
import { startProxy } from "./support/proxy.js";
import { startServers } from "./support/routes.js";

const ID = "org/model";
const COMMIT = "0123456789abcdef0123456789abcdef01234567";
const WEIGHTS = "weights of a model";
const certificate = fileURLToPath(new URL("../fixtures/hub/certificate.pem", import.meta.url));

beforeEach(withoutHubVariables);

/** A mirror of files alone, over https or http; `before` may answer in its place. */
async function startMirror(t: TestContext, secure: boolean, before?: RequestListener) {
  const authorizations = new Set<string | undefined>();
  const listener: RequestListener = (request, response) => {
    authorizations.add(request.headers.authorization);
    before?.(request, response);
    if (response.headersSent || response.writableEnded || response.destroyed) return;
    const file = /\/org\/model\/resolve\/[^/]+\/(.+)$/.exec(request.url!)?.[1];
    const body = { "config.json": "{}", "model.safetensors": WEIGHTS }[file ?? ""];
    if (body === undefined) response.writeHead(404).end();
    else
      response.writeHead(200, { ETag: `"${file}"`, "X-Repo-Commit": COMMIT, "Content-Length": body.length }).end(body);
  };
  const key = readFileSync(new URL("../fixtures/hub/key.pem", import.meta.url));
  const server = secure ? createServer({ cert: readFileSync(certificate), key }, listener) : createPlain(listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return { port: (server.address() as AddressInfo).port, authorizations };
}

describe("through a proxy that opens tunnels", () => {
  for (const variable of ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]) {
    test(variable, async (t) => {
      const hub = await startMirror(t, true);
      const proxy = await startProxy(t, hub.port);
      Object.assign(process.env, {
        [variable]: `http://user:pa%40ss@${proxy.host}`,
        HF_ENDPOINT: "https://hub.test/path/hf",
        HF_TOKEN: "hf_abcdefgh",
        SSL_CERT_FILE: certificate,
      });
      const directory = await fetchFromHub(ID);
      assert.equal(readFileSync(join(directory, "model.safetensors"), "utf8"), WEIGHTS);
      assert.deepEqual([...hub.authorizations], ["Bearer hf_abcdefgh"]);
      assert.ok(proxy.requests.length > 0);
      for (const { target, headers } of proxy.requests) {
        assert.equal(target, "hub.test:443");
        assert.equal(headers["proxy-authorization"], `Basic ${Buffer.from("user:pa@ss").toString("base64")}`);
        assert.equal(headers.authorization, undefined, "the token is for the hub");
      }
    });
  }

  test("NO_PROXY goes straight to the hub", async (t) => {
    const hub = await startMirror(t, true);
    const proxy = await startProxy(t, hub.port);
    Object.assign(process.env, {
      HTTPS_PROXY: `http://${proxy.host}`,
      NO_PROXY: "example.com,localhost",
      HF_ENDPOINT: `https://localhost:${hub.port}`,
      SSL_CERT_FILE: certificate,
    });
    await fetchFromHub(ID);
    assert.deepEqual(proxy.requests, []);
  });

  for (const [status, advice] of [
    [407, /refused \(status 407\): name the user and the password in the variable of the proxy/],
    [403, /refused \(status 403\): allow the host in the proxy, or name it in NO_PROXY/],
    [502, /refused \(status 502\)/],
  ] as const) {
    test(`it refuses with ${status}`, async (t) => {
      const proxy = await startProxy(t, 0, status);
      process.env.HTTPS_PROXY = `http://user:secret@${proxy.host}`;
      process.env.HF_ENDPOINT = "https://hub.test";
      await rejectsWith("ERR_OFFLINE", fetchFromHub(ID), advice);
      await rejectsWith("ERR_OFFLINE", fetchFromHub(ID), /^(?!.*secret)/);
      await rejectsWith("ERR_OFFLINE", fetchFromHub(ID), new RegExp(`the proxy http://${proxy.host} refused`));
    });
  }

  test("a proxy that is not there", async () => {
    process.env.HTTPS_PROXY = "http://user:secret@127.0.0.1:1";
    process.env.HF_ENDPOINT = "https://hub.test";
    await rejectsWith("ERR_OFFLINE", fetchFromHub(ID), /^(?!.*secret).*ECONNREFUSED.*the variables of the proxy/);
  });
});

test("a certificate that is not known, and a file of certificates that is not there", async (t) => {
  const hub = await startMirror(t, true);
  process.env.HF_ENDPOINT = `https://localhost:${hub.port}`;
  await rejectsWith("ERR_OFFLINE", fetchFromHub(ID), /self-signed certificate.*SSL_CERT_FILE/);
  process.env.SSL_CERT_FILE = "/nowhere/certificates.pem";
  await rejectsWith("ERR_INVALID_ARGUMENT", fetchFromHub(ID), /The file of SSL_CERT_FILE cannot be read/);
});

test("a hub that never answers is given up after HF_HUB_ETAG_TIMEOUT", async (t) => {
  const held: unknown[] = [];
  const hub = createPlain((_, response) => held.push(response));
  await new Promise<void>((resolve) => hub.listen(0, "127.0.0.1", resolve));
  t.onTestFinished(() => {
    hub.close();
    hub.closeAllConnections();
  });
  process.env.HF_ENDPOINT = `http://127.0.0.1:${(hub.address() as AddressInfo).port}`;
  process.env.HF_HUB_ETAG_TIMEOUT = "1";
  await rejectsWith("ERR_OFFLINE", fetchFromHub(ID), /Timeout.*HF_HUB_ETAG_TIMEOUT \(1 s\)/);
  assert.equal(held.length, 1);
});

test("a download that stalls is taken up after HF_HUB_DOWNLOAD_TIMEOUT", async (t) => {
  const ranges: (string | undefined)[] = [];
  const hub = await startMirror(t, false, ({ method, url, headers }, response) => {
    if (method !== "GET" || !url!.endsWith("/model.safetensors")) return;
    ranges.push(headers.range);
    const start = Number(headers.range?.match(/\d+/)?.[0] ?? 0);
    response.writeHead(start > 0 ? 206 : 200, { "Content-Length": WEIGHTS.length - start });
    if (start === 0) response.write(WEIGHTS.slice(0, 7));
    else response.end(WEIGHTS.slice(start));
  });
  process.env.HF_ENDPOINT = `http://127.0.0.1:${hub.port}`;
  process.env.HF_HUB_DOWNLOAD_TIMEOUT = "1";
  const directory = await fetchFromHub(ID);
  assert.equal(readFileSync(join(directory, "model.safetensors"), "utf8"), WEIGHTS);
  assert.deepEqual(ranges, [undefined, "bytes=7-"]);
});

describe("a hub that asks for patience", () => {
  for (const [headers, when] of [
    [{ "Retry-After": "7200" }, /status 429\).*Try again in 7200 seconds.*hf auth login/],
    [{ RateLimit: '"api";r=0;t=55' }, /status 429\).*Try again in 55 seconds/],
    [{ RateLimit: '"api";r=5;t=55', "Retry-After": "60" }, /status 429\).*Try again in 60 seconds/],
    [{}, /status 429\).*Try again later/],
  ] as const) {
    test(JSON.stringify(headers), async (t) => {
      const { fill } = await startServers(t, [{ path: ".*", status: 429, headers: headers as Record<string, string> }]);
      process.env.HF_ENDPOINT = fill("{hub}");
      await rejectsWith("ERR_OFFLINE", fetchFromHub(ID), when);
    });
  }
  test("until a time that has passed", async (t) => {
    const hub = await startMirror(t, false, (request, response) => {
      if (request.url!.includes("config.json") && asked++ === 0) {
        response.writeHead(429, { "Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT" }).end();
      }
    });
    let asked = 0;
    process.env.HF_ENDPOINT = `http://127.0.0.1:${hub.port}`;
    await fetchFromHub(ID);
    assert.ok(asked > 1);
  });
  test("because it is in trouble", async (t) => {
    const { fill, seen } = await startServers(t, [{ path: ".*", status: 503, headers: { "Retry-After": "600" } }]);
    process.env.HF_ENDPOINT = fill("{hub}");
    await rejectsWith("ERR_OFFLINE", fetchFromHub(ID), /is in trouble \(status 503\)\. Try again in 600 seconds/);
    assert.equal(seen.length, 2, "once of the API and once of the files");
  });
});

test("a branch that moves during the download is not mixed from two commits", async (t) => {
  const file = { path: ".*/resolve/main/(config.json|model.safetensors)", status: 200, body: "{}" };
  const { fill } = await startServers(t, [
    { ...file, times: 2, headers: { ETag: '"a"', "X-Repo-Commit": COMMIT } },
    { ...file, headers: { ETag: '"b"', "X-Repo-Commit": COMMIT.replaceAll("0", "f") } },
  ]);
  process.env.HF_ENDPOINT = fill("{hub}");
  await rejectsWith("ERR_OFFLINE", fetchFromHub(ID), /"main" of "org\/model" changed on .* during the download/);
});

test("a token that a hub sends back is not in the message", async (t) => {
  const headers = { "X-Error-Message": "The token hf_abcdefgh may not read this" };
  const { fill } = await startServers(t, [{ path: ".*", status: 403, headers }]);
  process.env.HF_ENDPOINT = fill("{hub}");
  process.env.HF_TOKEN = "hf_abcdefgh";
  await rejectsWith("ERR_MODEL_NOT_FOUND", fetchFromHub(ID), /The token <token> may not read this/);
});

describe("redirects", () => {
  test("from http to https of the same host, which keep the token", async (t) => {
    const hub = await startMirror(t, true);
    const tunnel = await startProxy(t, hub.port);
    // The proxy of http: URLs, which answers in the place of http://hub.test.
    const moved: (string | undefined)[] = [];
    const plain = createPlain(({ url, headers }, response) => {
      moved.push(headers.authorization);
      response.writeHead(308, { Location: url!.replace("http:", "https:") }).end();
    });
    await new Promise<void>((resolve) => plain.listen(0, "127.0.0.1", resolve));
    t.onTestFinished(() => {
      plain.close();
      plain.closeAllConnections();
    });
    Object.assign(process.env, {
      HTTP_PROXY: `http://127.0.0.1:${(plain.address() as AddressInfo).port}`,
      HTTPS_PROXY: `http://${tunnel.host}`,
      HF_ENDPOINT: "http://hub.test",
      HF_TOKEN: "hf_abcdefgh",
      SSL_CERT_FILE: certificate,
    });
    await fetchFromHub(ID);
    assert.deepEqual([...new Set(moved)], ["Bearer hf_abcdefgh"]);
    assert.deepEqual([...hub.authorizations], ["Bearer hf_abcdefgh"]);
  });
  test("to another origin, the token stays behind", async (t) => {
    const table = [{ path: ".*", server: "hub", status: 307, headers: { Location: "{other}/moved" } }] as const;
    const { fill, seen } = await startServers(t, table);
    process.env.HF_ENDPOINT = fill("{hub}");
    process.env.HF_TOKEN = "hf_abcdefgh";
    await rejectsWith("ERR_OFFLINE", fetchFromHub(ID), /names no commit/);
    const got = (name: string) =>
      new Set(seen.filter(({ server }) => server === name).map(({ headers }) => headers.authorization));
    assert.deepEqual([...got("hub")], ["Bearer hf_abcdefgh"]);
    assert.deepEqual([...got("other")], [undefined]);
  });
  test("without an end", async (t) => {
    const { fill } = await startServers(t, [{ path: ".*", status: 302, headers: { Location: "/again" } }]);
    process.env.HF_ENDPOINT = fill("{hub}");
    await rejectsWith("ERR_OFFLINE", fetchFromHub(ID), /redirects more than 20 times: check HF_ENDPOINT/);
  });
  test("to a file", async (t) => {
    const { fill } = await startServers(t, [{ path: ".*", status: 302, headers: { Location: "file:///etc/passwd" } }]);
    process.env.HF_ENDPOINT = fill("{hub}");
    await rejectsWith("ERR_OFFLINE", fetchFromHub(ID), /redirects to something that is no http\(s\) URL/);
  });
});

test("a list in several pages, whose links lead to the hub that is mirrored", async (t) => {
  const page = (name: string) => [
    { type: "file", path: name, size: 2, oid: "9e26dfeeb6e641a33dae4961196235bdb965b21b" },
  ];
  const link = { Link: '<https://huggingface.co/api/models/org/model/tree/main?cursor=2>; rel="next"' };
  const { fill, seen } = await startServers(t, [
    { path: "/api/models/org/model/revision/main", status: 200, json: { sha: COMMIT } },
    { path: `/api/models/org/model/tree/${COMMIT}`, query: "cursor=2", status: 200, json: page("model.safetensors") },
    { path: `/api/models/org/model/tree/${COMMIT}`, status: 200, headers: link, json: page("config.json") },
    { path: "/org/model/resolve/.*", status: 200, body: "{}" },
  ]);
  process.env.HF_ENDPOINT = fill("{hub}");
  const directory = await fetchFromHub(ID);
  assert.equal(readFileSync(join(directory, "model.safetensors"), "utf8"), "{}");
  assert.ok(seen.every(({ method }) => method === "GET"));
});
