import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { beforeEach, test } from "vitest";
import { checkModels } from "../../lib/cli/doctor/models.js";
import { withoutHubVariables } from "./support/environment.js";

let home: string;
beforeEach((t) => {
  home = withoutHubVariables(t);
});

const check = (name: string, environment: NodeJS.ProcessEnv) =>
  checkModels({ HOME: home, ...environment }).find((one) => one.name === name)!;

test("the hub: where, with which token, through which proxy, and no secrets", () => {
  const { detail, status } = check("Hub", {});
  assert.deepEqual([status, detail], ["ok", "https://huggingface.co, no token"]);
  const token = join(home, ".cache/huggingface/token");
  mkdirSync(dirname(token), { recursive: true });
  writeFileSync(token, "hf_secret");
  assert.equal(check("Hub", {}).detail, `https://huggingface.co, token of ${token}`);
  const all = check("Hub", {
    HF_ENDPOINT: "https://user:secret@mirror.example/hf/",
    HF_TOKEN: "hf_secret",
    HTTPS_PROXY: "http://user:secret@proxy.example:3128",
  });
  assert.equal(all.detail, "https://mirror.example/hf, token of HF_TOKEN, through http://proxy.example:3128");
  assert.doesNotMatch(JSON.stringify(all), /secret/);
});

test("the hub: offline, or with a value that cannot be used", () => {
  assert.match(check("Hub", { TRANSFORMERS_OFFLINE: "1" }).detail, /not used, as TRANSFORMERS_OFFLINE is set/);
  for (const environment of [{ HF_ENDPOINT: "mirror" }, { HTTPS_PROXY: "socks5://secret" }, { HF_TOKEN: "a secret" }]) {
    const { status, remedy } = check("Hub", environment);
    assert.equal(status, "note");
    assert.match(remedy!, new RegExp(Object.keys(environment)[0]!));
    assert.doesNotMatch(remedy!, /secret/);
  }
});

test("the cache: models in their root and in folders, in every place where Python looks", () => {
  const files = {
    "models--org--clip/snapshots/1/config.json": '{"model_type": "clip"}',
    "models--org--sentence/snapshots/1/0_CLIPModel/config.json": '{"model_type": "clip"}',
    "models--org--siglip/snapshots/1/config.json": '{"model_type": "siglip"}',
    "models--org--open/snapshots/1/open_clip_config.json": "{}",
    "models--org--many/snapshots/1/models/blip/config.json": '{"model_type": "blip"}',
    "models--org--bert/snapshots/1/config.json": '{"model_type": "bert"}',
    "models--org--clipseg/snapshots/1/config.json": '{"model_type": "clipseg"}',
    "models--org--broken/snapshots/1/config.json": "{",
  };
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(home, "cache", name)), { recursive: true });
    writeFileSync(join(home, "cache", name), text);
  }
  const found = ["org/clip", "org/many", "org/open", "org/sentence", "org/siglip"];
  for (const environment of [
    { HF_HUB_CACHE: "~/cache" },
    { HUGGINGFACE_HUB_CACHE: join(home, "cache") },
    { HF_HUB_CACHE: "$HOME/cache" },
  ]) {
    assert.deepEqual((check("Hub cache", environment).data!.models as string[]).sort(), found);
  }
  const environment = { HF_HUB_CACHE: join(home, "cache"), CLIP_MODEL: "org/sentence" };
  assert.equal(check("CLIP_MODEL", environment).status, "ok");
});
