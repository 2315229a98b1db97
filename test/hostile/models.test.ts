import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { ClipModel, exportCheckpoint } from "clip-blip";
import { afterAll, beforeAll, describe, it } from "vitest";
import { native } from "../../dist/native/instance.js";
import { demoPictures, loadClip, repositoryPath } from "../library/models.js";
import { random } from "../unit/support/engine.js";
import { flipBit, outcomeOf, refuses } from "./measure.js";

const folder = mkdtempSync(join(tmpdir(), "clip-blip-hostile-"));
afterAll(() => rmSync(folder, { recursive: true }));
const demo = repositoryPath("models/demo-clip");
const load = (source: string, sha256?: string) => ClipModel.load(source, { device: "cpu", dtype: "float32", sha256 });

beforeAll(() => {
  // What the first load of the process sets up is not to be counted below.
  native();
});

describe("paths that lead astray", () => {
  const fifo = join(folder, "fifo");
  beforeAll(() => void execFileSync("mkfifo", [fifo]));

  const absent: [string, () => string][] = [
    ["an endless device", () => "/dev/zero"],
    ["an empty device", () => "/dev/null"],
    ["a named pipe that nobody writes", () => fifo],
    ["a path with NUL", () => `${demo}\0`],
    ["a path of a megabyte", () => `/${"x".repeat(1 << 20)}`],
    ["a path of lone surrogates", () => "./\ud800"],
    ["a path above the root", () => "../".repeat(100).concat("nothing/here")],
    ["a link to itself", () => link("loop", join(folder, "loop"))],
    ["a link to nothing", () => link("dangling", join(folder, "nothing"))],
    ["a link to a device", () => link("zero", "/dev/zero")],
  ];
  for (const [what, make] of absent) {
    it(`refuses ${what}`, async () => {
      const source = make();
      await refuses(() => load(source), "ERR_MODEL_NOT_FOUND", "ERR_MODEL_INVALID");
    });
  }

  function link(name: string, target: string): string {
    symlinkSync(target, join(folder, name));
    return join(folder, name);
  }

  for (const [what, make] of [
    ["a path with ..", () => join(dirname(demo), "..", "models", "..", relative(repositoryPath("."), demo))],
    ["a link to a checkpoint", () => link("demo", demo)],
  ] as const) {
    it(`loads ${what}`, async () => {
      await using clip = await load(make());
      assert.equal((await clip.encodeImages([demoPictures[0]!])).length, 1);
    });
  }

  for (const file of ["config.json", "preprocessor_config.json", "tokenizer.json", "model.safetensors"]) {
    for (const [what, replace] of [
      ["an endless device", (path: string) => symlinkSync("/dev/zero", path)],
      ["a named pipe", (path: string) => execFileSync("mkfifo", [path])],
      ["a folder", (path: string) => mkdirSync(path)],
      ["nothing but NUL", (path: string) => writeFileSync(path, Buffer.alloc(1000))],
      ["half of itself", (path: string) => writeFileSync(path, readFileSync(join(demo, file)).subarray(0, 400))],
      ["100,000 brackets", (path: string) => writeFileSync(path, "[".repeat(100_000))],
    ] as const) {
      it(`refuses a checkpoint whose ${file} is ${what}, or does without it`, async () => {
        const copy = join(folder, `${file}-${what}`.replaceAll(/[^\w.]/g, "-"));
        cpSync(demo, copy, { recursive: true });
        rmSync(join(copy, file));
        replace(join(copy, file));
        const outcome = await outcomeOf(() => load(copy));
        if ("value" in outcome) await outcome.value.close();
        else assert.match(outcome.error.code, /^ERR_MODEL_(INVALID|NOT_FOUND)$/);
        if (file === "config.json" || file === "model.safetensors") assert.ok("error" in outcome);
      });
    }
  }

  it("does not follow a shard out of the checkpoint", async () => {
    const copy = join(folder, "escape");
    cpSync(demo, copy, { recursive: true });
    rmSync(join(copy, "model.safetensors"));
    for (const shard of ["../demo/model.safetensors", "/dev/zero", "/etc/passwd", "a/../../model.safetensors"]) {
      writeFileSync(join(copy, "model.safetensors.index.json"), JSON.stringify({ weight_map: { logit_scale: shard } }));
      await refuses(() => load(copy), "ERR_MODEL_INVALID");
    }
  });
});

describe("an archive with a hash", () => {
  it("is refused for each of 200 flipped bits, before anything of it is loaded", async () => {
    const archive = join(folder, "demo.pt");
    await exportCheckpoint(demo, archive);
    const bytes = readFileSync(archive);
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    const next = random(3);
    const modules = native().liveModules();
    const damaged = join(folder, "damaged.pt");
    for (let flip = 0; flip < 200; flip++) {
      writeFileSync(damaged, flipBit(bytes, next));
      const outcome = await outcomeOf(() => load(damaged, sha256));
      assert.ok("error" in outcome && outcome.error.code === "ERR_MODEL_HASH");
    }
    assert.equal(native().liveModules(), modules);
    await using intact = await load(archive, sha256);
    await using reference = await loadClip();
    assert.deepEqual(await intact.encodeTexts(["a red circle"]), await reference.encodeTexts(["a red circle"]));
  });
});
