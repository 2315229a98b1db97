import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, test } from "vitest";
import { ClipBlipError } from "../../lib/common/errors.js";
import { proxyFor } from "../../lib/common/proxies.js";
import { readHubSettings, readHubToken } from "../../lib/hub/settings.js";

const read = (name: string) => JSON.parse(readFileSync(new URL(`../fixtures/hub/${name}`, import.meta.url), "utf8"));

interface SettingsCase {
  environment: Record<string, string>;
  expected: {
    endpoint: string;
    cache: string;
    offline: boolean;
    etagTimeout: number;
    downloadTimeout: number;
    token: string | null;
  };
}

const settings: { files: Record<string, string>; cases: SettingsCase[] } = read("settings.json");
const proxies: { cases: { environment: Record<string, string>; proxies: Record<string, string | null> }[] } =
  read("proxies.json");

let home: string;
let homeBefore: string | undefined;

beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), "clip-blip-home-"));
  for (const [name, text] of Object.entries(settings.files)) {
    mkdirSync(dirname(join(home, name)), { recursive: true });
    writeFileSync(join(home, name), text);
  }
  homeBefore = process.env.HOME;
  process.env.HOME = home;
});

afterAll(() => {
  process.env.HOME = homeBefore;
  rmSync(home, { recursive: true });
});

describe("variables mean what they mean to huggingface_hub", () => {
  for (const { environment, expected } of settings.cases) {
    test(JSON.stringify(environment), () => {
      const variables: NodeJS.ProcessEnv = { HOME: home };
      for (const [name, value] of Object.entries(environment)) variables[name] = value.replaceAll("{home}", home);
      const { endpoint, cacheDirectory, offline, etagTimeout, downloadTimeout } = readHubSettings(variables);
      const found = {
        endpoint,
        cache: cacheDirectory.replaceAll(home, "{home}"),
        offline: offline !== undefined,
        etagTimeout: etagTimeout / 1000,
        downloadTimeout: downloadTimeout / 1000,
        token: readHubToken(variables)?.value ?? null,
      };
      assert.deepEqual(found, expected);
    });
  }
});

describe("proxies are those of httpx", () => {
  for (const { environment, proxies: expected } of proxies.cases) {
    test(JSON.stringify(environment), () => {
      const found = Object.keys(expected).map((url) => [url, withPort(proxyFor(new URL(url), environment))]);
      assert.deepEqual(Object.fromEntries(found), expected);
    });
  }
});

/** As httpx writes it: without user and password, with "None" for the port of the scheme. */
function withPort(proxy: URL | undefined): string | null {
  return proxy ? `${proxy.protocol}//${proxy.hostname}:${proxy.port || "None"}` : null;
}

describe("an unusable value is named, and never shown", () => {
  const refused: [Record<string, string>, RegExp, (environment: NodeJS.ProcessEnv) => unknown][] = [
    [{ HF_ENDPOINT: "user:secret@mirror.example" }, /HF_ENDPOINT must be a URL/, readHubSettings],
    [{ HF_ENDPOINT: "ftp://user:secret@mirror.example" }, /HF_ENDPOINT must be a URL/, readHubSettings],
    [{ HF_ENDPOINT: "https://mirror.example/?secret" }, /HF_ENDPOINT must be a URL/, readHubSettings],
    [{ HF_HUB_ETAG_TIMEOUT: "secret" }, /HF_HUB_ETAG_TIMEOUT must be a whole number/, readHubSettings],
    [{ HF_HUB_DOWNLOAD_TIMEOUT: "-1" }, /HF_HUB_DOWNLOAD_TIMEOUT must be a whole number/, readHubSettings],
    [{ HF_TOKEN: "secret token" }, /The token of HF_TOKEN has characters that no token has/, readHubToken],
    [{ HF_TOKEN: "secret “token”" }, /The token of HF_TOKEN has characters/, readHubToken],
    [{ HTTPS_PROXY: "socks5://user:secret@proxy" }, /HTTPS_PROXY must name an HTTP proxy/, proxyOfHub],
    [{ ALL_PROXY: "http://user:secret@" }, /ALL_PROXY must name an HTTP proxy/, proxyOfHub],
  ];
  for (const [environment, message, run] of refused) {
    test(JSON.stringify(environment), () => {
      assert.throws(
        () => run(environment),
        (error) => {
          assert.ok(error instanceof ClipBlipError);
          assert.equal(error.code, "ERR_INVALID_ARGUMENT");
          assert.match(error.message, message);
          assert.doesNotMatch(error.message, /secret/);
          return true;
        },
      );
    });
  }
  test("a file of a token that is a folder", () => {
    const environment = { HOME: home, HF_TOKEN_PATH: join(home, "hf") };
    assert.throws(() => readHubToken(environment), /The token in .*hf cannot be read \(EISDIR\).*set HF_TOKEN/);
  });
});

function proxyOfHub(environment: NodeJS.ProcessEnv): URL | undefined {
  return proxyFor(new URL("https://huggingface.co"), environment);
}
