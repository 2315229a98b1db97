import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import {
  closeSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, describe, test } from "vitest";
import { ended, jsonLines, PICTURES, PROGRAM, run, start } from "./support.js";

const folder = mkdtempSync(join(tmpdir(), "clip-blip-cli-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const pictures = readdirSync(PICTURES).filter((name) => /\.(jpg|png|webp)$/.test(name));

describe("doctor", () => {
  test("finds everything on a machine that is set up", async () => {
    const { code, out, err } = await run(["doctor", "--json"]);
    assert.equal(code, 0, out + err);
    const { ok, checks } = JSON.parse(out);
    assert.equal(ok, true);
    const names = checks.map((check: { name: string }) => check.name);
    for (const name of ["Node", "Addon", "LibTorch", "Devices", "sharp", "Demo models"])
      assert.ok(names.includes(name));
    const devices = checks.find((check: { name: string }) => check.name === "Devices").data.devices;
    assert.equal(devices[0].name, "cpu");
  });

  test("says what to do where LibTorch is missing", async () => {
    const empty = join(folder, "empty");
    mkdirSync(empty, { recursive: true });
    const env = { LIBTORCH: "", XDG_CACHE_HOME: empty, PATH: empty };
    const { code, out } = await run(["doctor"], { env });
    assert.equal(code, 1);
    assert.match(out, /MISSING {2}LibTorch .*not found\n.*npx clip-blip setup/);
    const failed = await run(["embed", "--text", "a"], { env });
    assert.equal(failed.code, 1);
    assert.match(failed.err, /^clip-blip: LibTorch \d+\.\d+ was not found: run `npx clip-blip setup`[^\n]*\n$/);
  });

  test("survives a LibTorch that cannot be loaded", async () => {
    const broken = join(folder, "broken");
    mkdirSync(join(broken, "lib"), { recursive: true });
    for (const name of ["libc10.so", "libtorch_cpu.so", "libtorch.so"])
      writeFileSync(join(broken, "lib", name), "junk");
    writeFileSync(join(broken, "build-version"), "2.13.0+cpu");
    const { code, signal, out } = await run(["doctor"], { env: { LIBTORCH: broken } });
    assert.deepEqual([code, signal], [1, null]);
    assert.match(out, /MISSING {2}Devices/);
  });
});

describe("the demo models", () => {
  test("embed a folder and a text", async () => {
    const { code, out, err } = await run(["embed", PICTURES, "--text", "a red circle"]);
    assert.deepEqual([code, err], [0, ""]);
    const lines = jsonLines(out);
    assert.equal(lines.length, pictures.length + 1);
    for (const { embedding } of lines) {
      assert.ok(Math.abs(Math.hypot(...(embedding as number[])) - 1) < 1e-3);
    }
  });

  test("caption to a page", async () => {
    const page = join(folder, "captions.html");
    const { code, err } = await run(["caption", PICTURES, "--out", page]);
    assert.equal(code, 0);
    assert.match(err, new RegExp(`^clip-blip: ${pictures.length} images in .* s\\.\n$`));
    assert.equal(readFileSync(page, "utf8").match(/<figure data-input="[^"]*"><img /g)?.length, pictures.length);
  });

  test("classify, with an unreadable picture among others", async () => {
    const broken = join(folder, "broken.jpg");
    writeFileSync(broken, "no picture");
    const inputs = [broken, join(PICTURES, pictures[0]!)];
    const { code, out } = await run(["classify", ...inputs, "--labels", "a red circle,a blue square"]);
    assert.equal(code, 1);
    const [failed, good] = jsonLines(out);
    assert.equal((failed!.error as { code: string }).code, "ERR_IMAGE_DECODE");
    const scores = (good!.labels as { score: number }[]).map(({ score }) => score);
    assert.ok(Math.abs(scores.reduce((a, b) => a + b) - 1) < 1e-6 && scores[0]! >= scores[1]!);
  });

  test("an exported archive gives the same embeddings as its checkpoint", async () => {
    const archive = join(folder, "clip.pt");
    const checkpoint = join(PICTURES, "..", "demo-clip");
    assert.equal((await run(["export", checkpoint, archive])).code, 0);
    const args = ["embed", "--text", "a red circle", "--dtype", "float32", "--model"];
    const [one, other] = [await run([...args, checkpoint]), await run([...args, archive])];
    assert.deepEqual([one.code, one.out], [0, other.out]);
  });
});

describe("ending early", { skip: process.platform === "win32" }, () => {
  test("Ctrl-C ends within a second, and a second run does the rest", async () => {
    const many = join(folder, "many");
    mkdirSync(many);
    for (let copy = 0; copy < 40; copy++) {
      for (const name of pictures) copyFileSync(join(PICTURES, name), join(many, `${copy}-${name}`));
    }
    const total = 40 * pictures.length;
    const out = join(folder, "many.jsonl");
    const child = start(["caption", many, "--out", out]);
    const end = ended(child);
    const written = () => {
      try {
        return readFileSync(out, "utf8").split("\n").length - 1;
      } catch {
        return 0;
      }
    };
    while (written() === 0 && child.exitCode === null) await delay(5);
    const stopped = performance.now();
    child.kill("SIGINT");
    const { signal, err } = await end;
    assert.ok(performance.now() - stopped < 1_000, `it took ${performance.now() - stopped} ms`);
    assert.deepEqual([signal, err], ["SIGINT", ""]);

    const text = readFileSync(out, "utf8");
    const before = jsonLines(text).length;
    assert.ok(text.endsWith("\n") && before > 0 && before < total, `${before} of ${total}`);
    assert.equal((await run(["caption", many, "--out", out])).code, 0);
    const inputs = jsonLines(readFileSync(out, "utf8")).map(({ input }) => input);
    assert.deepEqual([inputs.length, new Set(inputs).size], [total, total]);
  });

  test("a reader that has enough ends it quietly", async () => {
    const child = start(["embed", PICTURES, "--text", ...Array.from({ length: 3000 }, (_, i) => `text ${i}`)]);
    let err = "";
    child.stderr?.setEncoding("utf8").on("data", (text) => {
      err += text;
    });
    const closed = new Promise((resolve) => child.once("exit", (code, signal) => resolve([code, signal])));
    child.stdout?.once("data", () => child.stdout?.destroy());
    assert.deepEqual([await closed, err], [[0, null], ""]);
  });

  test("a full disk is a sentence, and a failure", async () => {
    const full = openSync("/dev/full", "w");
    const child = spawn(process.execPath, [PROGRAM, "embed", PICTURES], { stdio: ["ignore", full, "pipe"] });
    closeSync(full);
    const { code, err } = await ended(child);
    assert.equal(code, 1);
    assert.equal(
      err,
      "clip-blip: The results cannot be written (ENOSPC): free space, or write to another place, and run the command again.\n",
    );
  });
});
