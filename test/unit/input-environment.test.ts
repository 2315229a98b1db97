import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { beforeEach, type TestContext, test } from "vitest";
import { decodeImage } from "../../lib/input/decode.js";
import { publicFetcher } from "../../lib/input/public-remote.js";
import { pictureBytes } from "../fixtures/pictures.js";
import { withoutHubVariables } from "./support/environment.js";
import { startProxy } from "./support/proxy.js";

beforeEach(withoutHubVariables);

const remote = { allowRemote: true };
const { name, version, homepage } = JSON.parse(
  readFileSync(new URL("../../package.json", import.meta.url), "utf8"),
) as Record<string, string>;
const AGENT = `${name}/${version} (node/${process.versions.node}; +${homepage})`;

/** Answers every request with a picture, but "/moved" with a redirect. Keeps the URL and a header of each. */
async function startPictures(t: TestContext, header: string) {
  const seen: string[] = [];
  const server = createServer((request, response) => {
    seen.push(`${request.url} ${request.headers[header]}`);
    if (request.url!.endsWith("/moved")) response.writeHead(302, { location: "/cat.jpg" }).end();
    else response.end(pictureBytes("jpeg-420.jpg"));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return { seen, host: `127.0.0.1:${(server.address() as AddressInfo).port}` };
}

test("pictures are fetched under the name of this package, also after a redirect", async (t) => {
  assert.match(homepage!, /^https:/);
  const { seen, host } = await startPictures(t, "user-agent");
  await decodeImage(`http://${host}/moved`, remote);
  await publicFetcher({ allowedAddresses: ["127.0.0.1"] })(new URL(`http://${host}/moved`), "picture");
  assert.deepEqual(seen, [`/moved ${AGENT}`, `/cat.jpg ${AGENT}`, `/moved ${AGENT}`, `/cat.jpg ${AGENT}`]);
});

test("pictures come through HTTP_PROXY, but for the hosts of NO_PROXY", async (t) => {
  // The proxy of an http: URL gets the whole URL, and answers itself.
  const { seen, host } = await startPictures(t, "proxy-authorization");
  process.env.HTTP_PROXY = `http://user:secret@${host}`;
  process.env.NO_PROXY = "127.0.0.1";
  await decodeImage("http://pictures.invalid/moved", remote);
  await decodeImage(`http://${host}/direct.jpg`, remote);
  const basic = `Basic ${Buffer.from("user:secret").toString("base64")}`;
  assert.deepEqual(seen, [
    `http://pictures.invalid/moved ${basic}`,
    `http://pictures.invalid/cat.jpg ${basic}`,
    "/direct.jpg undefined",
  ]);
});

test("a proxy that refuses is named, without its password", async (t) => {
  const proxy = await startProxy(t, 0, 407);
  process.env.HTTPS_PROXY = `http://user:secret@${proxy.host}`;
  await assert.rejects(decodeImage("https://pictures.invalid/cat.jpg", remote), {
    code: "ERR_IMAGE_DECODE",
    message: new RegExp(`^(?!.*secret).*the proxy http://${proxy.host} refused \\(status 407\\): name the user`),
  });
  process.env.HTTPS_PROXY = "socks5://user:secret@127.0.0.1";
  await assert.rejects(decodeImage("https://pictures.invalid/cat.jpg", remote), {
    code: "ERR_INVALID_ARGUMENT",
    message: /^HTTPS_PROXY must name an HTTP proxy/,
  });
});

test("pictures for strangers do not come through a proxy, which would look up their names", async (t) => {
  const { seen, host } = await startPictures(t, "host");
  process.env.HTTP_PROXY = `http://${host}`;
  const fetched = publicFetcher({})(new URL("http://pictures.invalid/cat.jpg"), "picture");
  await assert.rejects(fetched, /ENOTFOUND|EAI_AGAIN/);
  assert.deepEqual(seen, []);
});

test("a user and a password in a URL are sent, and not shown", async (t) => {
  const { seen, host } = await startPictures(t, "authorization");
  await decodeImage(`http://user:pa%40ss@${host}/cat.jpg`, remote);
  assert.deepEqual(seen, [`/cat.jpg Basic ${Buffer.from("user:pa@ss").toString("base64")}`]);
  await assert.rejects(decodeImage("http://user:secret@127.0.0.1:1/cat.jpg", remote), {
    message: /^(?!.*secret)"http:\/\/127\.0\.0\.1:1\/cat\.jpg" could not be fetched/,
  });
});
