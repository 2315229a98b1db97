import assert from "node:assert/strict";
import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, test } from "vitest";
import { openCheckpoint } from "../../lib/checkpoint/directory.js";
import type { DownloadProgress } from "../../lib/hub/download.js";
import { fetchFromHub } from "../../lib/hub/hub.js";
import { readHubSettings } from "../../lib/hub/settings.js";
import { locateModel } from "../../lib/hub/source.js";
import { fixture, rejectsWith } from "./support/checkpoint.js";
import { COMMIT, filesOf, startHub } from "./support/hub.js";

const ID = "org/model";
const repository = (cache: string) => join(cache, "models--org--model");
/** Files in the cache, without folders. */
const inCache = (cache: string) =>
  readdirSync(cache, { recursive: true, withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory() ? [] : [entry.name],
  );

test("downloads a model that can be opened, into the layout of Python", async (t) => {
  const hub = await startHub(t, filesOf(fixture("blip")));
  const directory = await fetchFromHub(ID);
  assert.equal(directory, join(repository(hub.cache), "snapshots", COMMIT));
  assert.equal((await openCheckpoint(directory)).description.architecture, "blip");
  assert.equal(readFileSync(join(repository(hub.cache), "refs", "main"), "utf8"), COMMIT);
  const weights = join(directory, "model.safetensors");
  assert.match(readlinkSync(weights), /^\.\.\/\.\.\/blobs\/[0-9a-f]{64}$/);
  assert.match(readlinkSync(join(directory, "config.json")), /^\.\.\/\.\.\/blobs\/[0-9a-f]{40}$/);
  assert.deepEqual(readFileSync(weights), hub.behaviour.files.get("model.safetensors"));
  assert.ok(!inCache(hub.cache).some((name) => name.includes("incomplete")));
});

test("asks only for what is needed", async (t) => {
  const files = filesOf(fixture("clip-legacy"));
  for (const name of ["README.md", "pytorch_model.bin", "tf_model.h5", "flax_model.msgpack"]) {
    files.set(name, Buffer.from("not needed"));
  }
  const hub = await startHub(t, files);
  await fetchFromHub(ID);
  assert.deepEqual(hub.requests.slice(0, 2), ["info", "tree"]);
  assert.deepEqual(hub.requests.slice(2).sort(), [
    "config.json",
    "merges.txt",
    "model.safetensors",
    "preprocessor_config.json",
    "tokenizer_config.json",
    "vocab.json",
  ]);
});

/** The files of a fixture in a folder of the repository. */
const inFolder = (name: string, folder: string) =>
  new Map([...filesOf(fixture(name))].map(([file, bytes]) => [`${folder}/${file}`, bytes]));

test("a model in a folder of the repository, and at a revision", async (t) => {
  const hub = await startHub(t, new Map([["README.md", Buffer.from("a repository of two models")]]));
  for (const [file, bytes] of [...inFolder("blip", "models/blip"), ...inFolder("clip-sharded", "clip v2")]) {
    hub.behaviour.files.set(file, bytes);
  }
  const snapshot = join(repository(hub.cache), "snapshots", COMMIT);
  const blip = await fetchFromHub(ID, { subfolder: "models/blip", revision: "v1.0" });
  assert.equal(blip, join(snapshot, "models/blip"));
  assert.equal((await openCheckpoint(blip)).description.architecture, "blip");
  assert.deepEqual(hub.requests.slice(0, 2), ["info", "tree models/blip/"]);
  assert.equal(readFileSync(join(repository(hub.cache), "refs", "v1.0"), "utf8"), COMMIT);
  const clip = await fetchFromHub(ID, { subfolder: "clip v2" });
  assert.equal((await openCheckpoint(clip)).description.architecture, "clip");

  await rejectsWith("ERR_MODEL_INVALID", fetchFromHub(ID), /"org\/model" on the hub has no config\.json/);
  await rejectsWith("ERR_MODEL_NOT_FOUND", fetchFromHub(ID, { subfolder: "nowhere" }), /org\/model/);
  for (const subfolder of ["../other", "/etc", "a/../b", "a//b", "a/", ".", "a/.", "..", "a\\..\\b", "C:/x", "a\0"]) {
    await rejectsWith("ERR_INVALID_ARGUMENT", fetchFromHub(ID, { subfolder }), /options\.subfolder/);
  }
  // Without a network, the cache has both.
  process.env.HF_HUB_OFFLINE = "1";
  assert.equal(await fetchFromHub(ID, { subfolder: "models/blip", revision: "v1.0" }), blip);
  await rejectsWith("ERR_OFFLINE", fetchFromHub(ID, { subfolder: "nowhere" }), /not complete/);
});

test("names of folders and revisions with characters that URLs do not have", async (t) => {
  for (const [revision, subfolder] of [
    ["v1.0+cu130", "modèle (1)/.hidden v1..2"],
    ["añadir/clip#2", "50%"],
  ] as const) {
    const hub = await startHub(t, inFolder("clip-sharded", subfolder));
    const directory = await fetchFromHub(ID, { revision, subfolder });
    assert.equal(directory, join(repository(hub.cache), "snapshots", COMMIT, subfolder));
    assert.equal((await openCheckpoint(directory)).description.architecture, "clip");
    assert.equal(readFileSync(join(repository(hub.cache), "refs", revision), "utf8"), COMMIT);
    assert.ok(hub.requests.includes(`tree ${subfolder}/`));
  }
});

test("a repository of sentence-transformers", async (t) => {
  const hub = await startHub(t, inFolder("clip-sharded", "0_CLIPModel"));
  hub.behaviour.files.set("README.md", Buffer.from(""));
  hub.behaviour.files.set(
    "modules.json",
    Buffer.from('[{"idx": 0, "name": "0", "path": "0_CLIPModel", "type": "sentence_transformers.models.CLIPModel"}]'),
  );
  const directory = await fetchFromHub(ID);
  assert.equal((await openCheckpoint(directory)).description.architecture, "clip");
  process.env.HF_HUB_OFFLINE = "1";
  assert.equal(await fetchFromHub(ID), directory);
});

test("a repository with an adapter alone", async (t) => {
  await startHub(
    t,
    new Map([
      ["adapter_config.json", Buffer.from("{}")],
      ["adapter_model.safetensors", Buffer.from("")],
    ]),
  );
  await rejectsWith("ERR_MODEL_INVALID", fetchFromHub(ID), /merge it into its base model first/);
});

test("a folder of a local directory", async () => {
  const here = fixture("");
  assert.equal((await locateModel(here, { subfolder: "blip" })).path, join(here, "blip"));
  await rejectsWith(
    "ERR_INVALID_ARGUMENT",
    locateModel(here, { revision: "main" }),
    /options\.revision is for models of the hub/,
  );
  await rejectsWith("ERR_INVALID_ARGUMENT", locateModel(here, { subfolder: "../x" }), /options\.subfolder/);
  const file = fixture("blip/model.safetensors");
  await rejectsWith("ERR_INVALID_ARGUMENT", locateModel(file, { subfolder: "x" }), /options\.subfolder is for folders/);
});

test("vocabulary files are not needed where tokenizer.json is", async (t) => {
  const files = filesOf(fixture("clip-legacy"));
  files.set("tokenizer.json", Buffer.from("{}"));
  const hub = await startHub(t, files);
  await fetchFromHub(ID);
  assert.ok(hub.requests.includes("tokenizer.json"));
  assert.ok(!hub.requests.includes("vocab.json") && !hub.requests.includes("merges.txt"));
});

describe("weights in several files, and those of torch.save", () => {
  for (const name of ["clip-sharded", "clip-end-id"]) {
    test(name, async (t) => {
      await startHub(t, filesOf(fixture(name)));
      const directory = await fetchFromHub(ID);
      assert.equal((await openCheckpoint(directory)).description.architecture, "clip");
    });
  }
});

test("what open_clip alone has stored is taken as it is, and found again offline", async (t) => {
  const files = filesOf(fileURLToPath(new URL("../fixtures/openai/open_clip", import.meta.url)));
  const hub = await startHub(t, new Map([...files, ["README.md", Buffer.from("about it")]]));
  const directory = await fetchFromHub(ID);
  assert.deepEqual(hub.requests.slice(2).sort(), [...files.keys()].sort());
  assert.equal((await openCheckpoint(directory)).description.imageSize, 32);
  process.env.HF_HUB_OFFLINE = "1";
  assert.equal(await fetchFromHub(ID), directory);
});

test("weights of transformers go before those of open_clip", async (t) => {
  const openClip = filesOf(fileURLToPath(new URL("../fixtures/openai/open_clip", import.meta.url)));
  const hub = await startHub(t, new Map([...openClip, ...filesOf(fixture("clip-legacy"))]));
  await fetchFromHub(ID);
  assert.ok(hub.requests.includes("model.safetensors"));
  assert.ok(!hub.requests.some((name) => name.startsWith("open_clip")));
});

test("what is in the cache is not asked for again", async (t) => {
  const hub = await startHub(t, filesOf(fixture("blip")));
  const first = await fetchFromHub(ID);
  hub.requests.length = 0;
  const reports: DownloadProgress[] = [];
  assert.equal(await fetchFromHub(ID, { onProgress: (progress) => reports.push(progress) }), first);
  assert.deepEqual(hub.requests, ["info", "tree"]);
  assert.deepEqual(reports, []);
  // A file that was deleted comes back alone.
  rmSync(join(first, "config.json"));
  hub.requests.length = 0;
  await fetchFromHub(ID);
  assert.deepEqual(hub.requests, ["info", "tree"], "its contents are still in the cache");
  assert.ok(lstatSync(join(first, "config.json")).isSymbolicLink());
});

test("a snapshot that Python began is completed", async (t) => {
  const hub = await startHub(t, filesOf(fixture("blip")));
  const snapshot = join(repository(hub.cache), "snapshots", COMMIT);
  mkdirSync(snapshot, { recursive: true });
  writeFileSync(join(snapshot, "config.json"), hub.behaviour.files.get("config.json")!);
  await fetchFromHub(ID);
  assert.ok(!hub.requests.includes("config.json"));
  assert.ok(hub.requests.includes("model.safetensors"));
});

test("progress goes from nothing to the size of each file", async (t) => {
  const files = filesOf(fixture("blip"));
  const large = Buffer.alloc(5 << 20, 7);
  files.set("model.safetensors", large);
  await startHub(t, files);
  const reports: DownloadProgress[] = [];
  await fetchFromHub(ID, { onProgress: (progress) => reports.push(progress) });
  const of = (file: string) => reports.filter((report) => report.file === file);
  for (const [name, bytes] of files) {
    const own = of(name);
    assert.equal(own[0]!.loaded, 0, name);
    assert.equal(own.at(-1)!.loaded, bytes.length);
    assert.ok(own.every(({ phase, total }) => phase === "download" && total === bytes.length));
    assert.ok(own.every(({ loaded }, i) => i === 0 || loaded > own[i - 1]!.loaded));
  }
  assert.ok(of("model.safetensors").length >= 4 && of("model.safetensors").length <= 7);
});

test("HF_HUB_OFFLINE uses the cache, and asks nobody", async (t) => {
  const hub = await startHub(t, filesOf(fixture("blip")));
  process.env.HF_HUB_OFFLINE = "1";
  await rejectsWith(
    "ERR_OFFLINE",
    fetchFromHub(ID),
    /HF_HUB_OFFLINE is set, but "org\/model" is not complete in the cache/,
  );
  process.env.HF_HUB_OFFLINE = "0";
  const directory = await fetchFromHub(ID);
  process.env.HF_HUB_OFFLINE = "true";
  hub.requests.length = 0;
  assert.equal(await fetchFromHub(ID), directory);
  assert.equal(await fetchFromHub(ID, { revision: COMMIT }), directory);
  await rejectsWith("ERR_OFFLINE", fetchFromHub(ID, { revision: "other" }), /HF_HUB_OFFLINE/);
  rmSync(join(directory, "model.safetensors"));
  await rejectsWith("ERR_OFFLINE", fetchFromHub(ID), /is not complete in the cache/);
  assert.deepEqual(hub.requests, []);
});

describe("offline, the halves of a CLIP need only the files of their tower", () => {
  for (const name of ["clip-vision", "clip-text"]) {
    test(name, async (t) => {
      await startHub(t, filesOf(fixture(name)));
      await fetchFromHub(ID);
      process.env.HF_HUB_OFFLINE = "1";
      const snapshot = await fetchFromHub(ID);
      assert.equal((await openCheckpoint(snapshot)).description.architecture, "clip");
      rmSync(join(snapshot, name === "clip-vision" ? "preprocessor_config.json" : "vocab.json"));
      await rejectsWith("ERR_OFFLINE", fetchFromHub(ID), /is not complete in the cache/);
    });
  }
});

test("offline, a snapshot that lacks one of several weight files is not whole", async (t) => {
  await startHub(t, filesOf(fixture("clip-sharded")));
  const directory = await fetchFromHub(ID);
  process.env.HF_HUB_OFFLINE = "1";
  assert.equal(await fetchFromHub(ID), directory);
  rmSync(join(directory, "model-00002-of-00002.safetensors"));
  await rejectsWith("ERR_OFFLINE", fetchFromHub(ID), /is not complete in the cache/);
});

test("without a network the cache serves, and without a cache the error says so", async (t) => {
  const hub = await startHub(t, filesOf(fixture("blip")));
  const directory = await fetchFromHub(ID);
  await hub.close();
  assert.equal(await fetchFromHub(ID), directory);
  rmSync(hub.cache, { recursive: true });
  await rejectsWith("ERR_OFFLINE", fetchFromHub(ID), /"org\/model" is not in the cache .*ECONNREFUSED/);
  await rejectsWith("ERR_OFFLINE", locateModel(ID), /There is no file or directory "org\/model"\. .*not in the cache/);
});

test("an unknown, private or gated model", async (t) => {
  const hub = await startHub(t, filesOf(fixture("blip")));
  for (const status of [401, 403, 404]) {
    hub.behaviour.status = status;
    const message = new RegExp(
      `(no public model|wants a token for "config.json" of|denies access to "config.json" of) "org/model" \\(status ${status}\\).*set HF_TOKEN`,
    );
    await rejectsWith("ERR_MODEL_NOT_FOUND", fetchFromHub(ID), message);
  }
  process.env.HF_TOKEN = "a-token";
  await rejectsWith(
    "ERR_MODEL_NOT_FOUND",
    locateModel(ID),
    /There is no file or directory .* in place of the one of HF_TOKEN/,
  );
  assert.deepEqual([...hub.authorizations], ["none", "Bearer a-token"]);
  // What was downloaded before stays usable.
  hub.behaviour.status = undefined;
  const directory = await fetchFromHub(ID);
  hub.behaviour.status = 401;
  assert.equal(await fetchFromHub(ID), directory);
});

test("a hub in trouble is told apart from a missing model", async (t) => {
  const hub = await startHub(t, filesOf(fixture("blip")));
  hub.behaviour.status = 503;
  await rejectsWith("ERR_OFFLINE", fetchFromHub(ID), /is not available: .*Repository not found|503/);
});

test("a hub in trouble is asked once where the cache has the model, else three times", async (t) => {
  const hub = await startHub(t, filesOf(fixture("blip")));
  const directory = await fetchFromHub(ID);
  hub.behaviour.status = 503;
  hub.requests.length = 0;
  assert.equal(await fetchFromHub(ID), directory);
  assert.deepEqual(hub.requests, ["info", "head config.json"]);
  rmSync(join(directory, "model.safetensors"));
  hub.requests.length = 0;
  await rejectsWith("ERR_OFFLINE", fetchFromHub(ID), /status 503/);
  assert.equal(hub.requests.filter((name) => name === "info").length, 3);
});

test("a file that is gated although the list is not", async (t) => {
  const hub = await startHub(t, filesOf(fixture("blip")));
  hub.behaviour.beforeFile = (_, response) => Boolean(response.writeHead(403).end());
  await rejectsWith("ERR_MODEL_NOT_FOUND", fetchFromHub(ID), /"config\.json" of "org\/model" \(status 403\)/);
});

test("a repository without weights for PyTorch", async (t) => {
  const files = filesOf(fixture("blip"));
  files.delete("model.safetensors");
  files.set("tf_model.h5", Buffer.from("x"));
  await startHub(t, files);
  await rejectsWith("ERR_MODEL_INVALID", fetchFromHub(ID), /no PyTorch weights/);
});

test("abort ends a download at once and leaves nothing half-done", async (t) => {
  const files = filesOf(fixture("blip"));
  files.set("model.safetensors", Buffer.alloc(4 << 20));
  const hub = await startHub(t, files);
  const controller = new AbortController();
  hub.behaviour.beforeFile = (name, response) => {
    if (name !== "model.safetensors") return false;
    response.writeHead(200, { "Content-Length": 4 << 20 }).write(Buffer.alloc(2 << 20));
    return true; // never ends
  };
  const reason = new Error("enough");
  const onProgress = ({ file, loaded }: DownloadProgress) => {
    if (file === "model.safetensors" && loaded > 0) controller.abort(reason);
  };
  await assert.rejects(fetchFromHub(ID, { signal: controller.signal, onProgress }), reason);
  assert.ok(!inCache(hub.cache).some((name) => name.includes("incomplete")));
  await assert.rejects(fetchFromHub(ID, { signal: AbortSignal.abort(reason) }), reason);
  // The next attempt is not hindered by it.
  hub.behaviour.beforeFile = undefined;
  await fetchFromHub(ID);
});

test("a connection that breaks is taken up where it broke", async (t) => {
  const files = filesOf(fixture("blip"));
  const whole = Buffer.from(Array.from({ length: 3 << 20 }, (_, i) => i));
  files.set("model.safetensors", whole);
  const hub = await startHub(t, files);
  const starts: number[] = [];
  hub.behaviour.beforeFile = (name, response, start) => {
    if (name !== "model.safetensors") return false;
    starts.push(start);
    if (starts.length > 2) return false;
    response.writeHead(start > 0 ? 206 : 200, { "Content-Length": whole.length - start });
    response.write(whole.subarray(start, start + (1 << 20)), () => response.destroy());
    return true;
  };
  const directory = await fetchFromHub(ID);
  assert.deepEqual(readFileSync(join(directory, "model.safetensors")), whole);
  assert.equal(starts.length, 3);
  assert.ok(starts[1]! > 0 && starts[2]! > starts[1]!, `${starts}`);
});

test("a mirror that cannot begin in the middle sends everything again", async (t) => {
  const files = filesOf(fixture("blip"));
  const hub = await startHub(t, files);
  const whole = files.get("model.safetensors")!;
  let attempts = 0;
  hub.behaviour.beforeFile = (name, response) => {
    if (name !== "model.safetensors") return false;
    response.writeHead(200, { "Content-Length": whole.length });
    if (++attempts > 1) response.end(whole);
    else response.write(whole.subarray(0, 1000), () => response.destroy());
    return true;
  };
  const directory = await fetchFromHub(ID);
  assert.deepEqual(readFileSync(join(directory, "model.safetensors")), whole);
});

test("a connection that brings nothing is given up", async (t) => {
  const hub = await startHub(t, filesOf(fixture("blip")));
  hub.behaviour.beforeFile = (_, response) => Boolean(response.destroy());
  await rejectsWith("ERR_OFFLINE", fetchFromHub(ID), /is not available/);
  assert.equal(hub.requests.filter((name) => name === "config.json").length, 3);
});

test("what arrives with other contents is refused and not kept", async (t) => {
  const hub = await startHub(t, filesOf(fixture("blip")));
  for (const [name, change] of [
    ["model.safetensors", (bytes: Buffer) => bytes.fill(0, 100, 101)],
    ["config.json", (bytes: Buffer) => bytes.fill(32, 0, 1)],
    ["vocab.txt", (bytes: Buffer) => Buffer.concat([bytes, bytes])],
  ] as const) {
    hub.behaviour.beforeFile = (asked, response) =>
      asked === name && Boolean(response.end(change(Buffer.from(hub.behaviour.files.get(name)!))));
    await rejectsWith(
      "ERR_MODEL_INVALID",
      fetchFromHub(ID),
      new RegExp(`${name.replace(".", "\\.")} was damaged in the download`),
    );
    rmSync(hub.cache, { recursive: true, force: true });
  }
});

test("a cache that cannot be written is named as such", async (t) => {
  const hub = await startHub(t, filesOf(fixture("blip")));
  process.env.HF_HUB_CACHE = join(hub.cache, "file");
  writeFileSync(process.env.HF_HUB_CACHE, "in the way");
  await rejectsWith("ERR_INTERNAL", fetchFromHub(ID), /Cannot store "org\/model" in the cache/);
});

test("two downloads of one model at a time do not disturb each other", async (t) => {
  await startHub(t, filesOf(fixture("blip")));
  const [a, b] = await Promise.all([fetchFromHub(ID), fetchFromHub(ID)]);
  assert.equal(a, b);
  await openCheckpoint(a);
  assert.ok(statSync(join(a, "model.safetensors")).size > 0);
});

test("ids and revisions that would lead elsewhere are refused", async () => {
  for (const id of ["../x", "org", "a/b/c", "org/..", ""]) {
    await rejectsWith("ERR_INVALID_ARGUMENT", fetchFromHub(id), /Expected a hub id/);
  }
  for (const revision of [
    "../x",
    "",
    "a//b",
    "/a",
    "a\\b",
    "x..y",
    ".x",
    "a/.x",
    "a/",
    "a b",
    "a:b",
    "a\0",
    "main@{1}",
  ]) {
    await rejectsWith("ERR_INVALID_ARGUMENT", fetchFromHub(ID, { revision }), /revision/);
  }
});

test("the cache is where Python looks for it", () => {
  const cache = (environment: NodeJS.ProcessEnv) => readHubSettings(environment).cacheDirectory;
  assert.equal(cache({ HF_HUB_CACHE: "/a", HF_HOME: "/b" }), "/a");
  assert.equal(cache({ HUGGINGFACE_HUB_CACHE: "/c", HF_HOME: "/b" }), "/c");
  assert.equal(cache({ HF_HOME: "/b", XDG_CACHE_HOME: "/d" }), join("/b", "hub"));
  assert.equal(cache({ XDG_CACHE_HOME: "/d" }), join("/d", "huggingface", "hub"));
  assert.match(cache({ HF_HUB_CACHE: "" }), /\.cache.huggingface.hub$/);
  assert.equal(readHubSettings({}).endpoint, "https://huggingface.co");
});
