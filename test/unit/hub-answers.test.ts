import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, type TestContext, test } from "vitest";
import { ClipBlipError } from "../../lib/common/errors.js";
import { fetchFromHub } from "../../lib/hub/hub.js";
import { withoutHubVariables } from "./support/environment.js";
import { type Route, startServers } from "./support/routes.js";

interface Case {
  name: string;
  environment?: Record<string, string>;
  revision?: string;
  subfolder?: string;
  routes: Route[];
  /** What huggingface_hub did: the name of its error, and the credentials that each server got. */
  expected: { error: string | null; credentials: [string, string][] };
}

const { commit, cases }: { commit: string; cases: Case[] } = JSON.parse(
  readFileSync(new URL("../fixtures/hub/answers.json", import.meta.url), "utf8"),
);

/** What this package says where huggingface_hub fails: the code, and parts of the message. */
const REFUSALS: Record<string, [code: string, ...parts: RegExp[]]> = {
  "a private mirror, without a token": [
    "ERR_MODEL_NOT_FOUND",
    /wants a token/,
    /status 401/,
    /hf auth login.*HF_TOKEN/,
  ],
  "answers without a commit": ["ERR_OFFLINE", /no commit.*check HF_ENDPOINT/],
  "answers without an ETag": ["ERR_OFFLINE", /no usable ETag.*check HF_ENDPOINT/],
  "no such model": [
    "ERR_MODEL_NOT_FOUND",
    /no public model "org\/model"/,
    /status 401, "Invalid username/,
    /Check the name.*private.*hf auth login.*HF_TOKEN/,
  ],
  "no such model, with a token": [
    "ERR_MODEL_NOT_FOUND",
    /no model "org\/model" that the token of HF_TOKEN may read/,
    /404/,
  ],
  "a token that is not valid": ["ERR_MODEL_NOT_FOUND", /does not accept the token of HF_TOKEN/, /401.*log in again/],
  "a gated model, without a token": ["ERR_MODEL_NOT_FOUND", /is gated/, /401.*Accept its conditions.*HF_TOKEN/],
  "a gated model, with a token": ["ERR_MODEL_NOT_FOUND", /is gated/, /403.*Accept its conditions on .*\/org\/model/],
  "gated files of a model that can be listed": ["ERR_MODEL_NOT_FOUND", /is gated/, /403.*Accept its conditions/],
  "no such revision": ["ERR_MODEL_NOT_FOUND", /no branch, tag or commit "v9"/, /404.*option revision/],
  "no such folder": ["ERR_MODEL_NOT_FOUND", /has no "nowhere"/, /404.*subfolder/],
  "a disabled model": ["ERR_MODEL_NOT_FOUND", /denies access/, /403, "Access to this resource is disabled/],
  "a token that may not read": ["ERR_MODEL_NOT_FOUND", /denies access/, /403.*token with access.*HF_TOKEN/],
  "nothing at all": ["ERR_MODEL_NOT_FOUND", /no public model/, /404.*Check the name/],
  "a bad request": ["ERR_MODEL_NOT_FOUND", /denies access/, /400, "Invalid repo name"/],
  "for legal reasons": ["ERR_MODEL_NOT_FOUND", /denies access/, /451/],
  offline: ["ERR_OFFLINE", /HF_HUB_OFFLINE is set/],
  "offline by TRANSFORMERS_OFFLINE": ["ERR_OFFLINE", /TRANSFORMERS_OFFLINE is set/],
  "a proxy that wants a password": ["ERR_OFFLINE", /proxy/, /407.*user.*password/],
};

beforeEach(withoutHubVariables);

async function run(t: TestContext, { environment, revision, subfolder, routes }: Omit<Case, "name" | "expected">) {
  const servers = await startServers(t, routes);
  for (const [name, value] of Object.entries({ HF_ENDPOINT: "{hub}", ...environment })) {
    process.env[name] = servers.fill(value);
  }
  const outcome = await fetchFromHub("org/model", { revision, subfolder }).catch((error: unknown) => error);
  return { ...servers, outcome };
}

describe("what huggingface_hub loads is loaded, what it refuses is explained, tokens go where it sends them", () => {
  for (const { expected, name, ...given } of cases) {
    test(name, async (t) => {
      const { outcome, seen } = await run(t, given);
      if (expected.error === null) {
        assert.equal(typeof outcome, "string", String(outcome));
        assert.equal(readFileSync(join(outcome as string, "config.json"), "utf8"), "{}");
        assert.equal(readFileSync(join(outcome as string, "model.safetensors"), "utf8"), "weights of a model");
        assert.ok((outcome as string).includes(join("models--org--model", "snapshots", commit)));
      } else {
        assert.ok(outcome instanceof ClipBlipError, String(outcome));
        const [code, ...parts] = REFUSALS[name]!;
        assert.equal(outcome.code, code, outcome.message);
        for (const part of parts) assert.match(outcome.message, part);
      }
      const credentials = new Set(seen.map(({ server, headers }) => `${server} ${headers.authorization ?? "none"}`));
      assert.deepEqual([...credentials].sort(), expected.credentials.map((pair) => pair.join(" ")).sort());
      for (const { headers } of seen)
        assert.match(String(headers["user-agent"]), /^clip-blip\/\S+ \(node\/\S+; \+http/);
      assert.doesNotMatch(String(outcome), /hf_abcdefgh|pa%40ss|pa@ss/);
    });
  }
});
