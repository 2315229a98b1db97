import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough, Readable } from "node:stream";
import { afterAll, beforeAll, describe, test } from "vitest";
import { formatSeconds, paceOf } from "../../lib/cli/progress.js";
import { ClipBlipError } from "../../lib/common/errors.js";
import { jsonLines, run } from "./support/cli.js";

const folder = mkdtempSync(join(tmpdir(), "clip-blip-program-"));
const home = process.cwd();
beforeAll(() => {
  process.chdir(folder);
  for (const name of ["a.png", "bad.png", "c.png", "fatal.png"]) writeFileSync(name, "");
});
afterAll(() => {
  process.chdir(home);
  rmSync(folder, { recursive: true, force: true });
});

const COMMANDS = ["doctor", "setup", "export", "embed", "caption", "classify", "search", "serve", "worker", "bench"];

describe("help and usage", () => {
  test("every command has help that fits 100 columns", async () => {
    for (const args of [["--help"], ...COMMANDS.map((command) => [command, "--help"])]) {
      const { code, out, err } = await run(args);
      assert.deepEqual([code, err], [0, ""]);
      for (const line of out.split("\n")) assert.ok(line.length <= 100, `${args}: ${line}`);
    }
    for (const command of COMMANDS.filter((name) => !["doctor", "setup"].includes(name))) {
      assert.match((await run([command, "--help"])).out, /subfolder <path>.*HF_TOKEN.*HTTPS_PROXY/s, command);
    }
    const { out } = await run(["--help"]);
    for (const command of COMMANDS) assert.match(out, new RegExp(`^  ${command} `, "m"));
  });

  test("--version prints the package's version", async () => {
    const { code, out } = await run(["--version"]);
    assert.equal(code, 0);
    assert.match(out, /^\d+\.\d+\.\d+\n$/);
  });

  test("wrong usage is exit code 2 with one sentence, and loads nothing", async () => {
    for (const args of [
      [],
      ["paint"],
      ["embed"],
      ["embed", "a.png", "--frobnicate"],
      ["embed", "a.png", "--dtype", "int8"],
      ["embed", "a.png", "--batch-size", "0"],
      ["embed", "a.png", "--format", "html"],
      ["caption"],
      ["caption", "a.png", "--max-length", "ten"],
      ["caption", "a.png", "--num-beams", "0"],
      ["classify", "a.png"],
      ["classify", "a.png", "--labels", " , "],
      ["setup", "--cpu", "--cuda"],
      ["serve", "here"],
      ["serve", "--port", "70000"],
      ["serve", "--log-level", "loud"],
      ["serve", "--no-clip", "--no-blip"],
      ["search", "."],
      ["search"],
      ["search", ".", "a dog", "--image", "a.png"],
      ["search", ".", "a dog", "--top", "0"],
      ["search", ".", "--duplicates", "1.1"],
      ["export", "only-one"],
      ["embed", "a.png", "--out", "no/such/folder.jsonl"],
      ["embed", "a.png", "--out", "."],
    ]) {
      const { code, out, err, calls } = await run(args);
      assert.deepEqual([code, out, calls], [2, "", []], args.join(" "));
      if (args.length) assert.match(err, /^clip-blip: /, args.join(" "));
      else assert.match(err, /^Usage: clip-blip/);
    }
  });

  test("an argument that the library refuses is wrong usage too", async () => {
    const loadError = new ClipBlipError("ERR_INVALID_ARGUMENT", "Expected a device");
    const { code, err } = await run(["embed", "a.png", "--device", "toaster"], { loadError });
    assert.deepEqual([code, err], [2, "clip-blip: Expected a device\n"]);
  });

  test("names the flag where the library names its option", async () => {
    const loadError = new ClipBlipError("ERR_INVALID_ARGUMENT", "Expected 3 for options.device and options.other");
    const { err } = await run(["embed", "a.png", "--device", "toaster"], { loadError });
    assert.equal(err, "clip-blip: Expected 3 for --device and options.other\n");
  });

  test("other errors are exit code 1, without a stack unless NODE_DEBUG asks for it", async () => {
    const loadError = new ClipBlipError("ERR_MODEL_NOT_FOUND", "There is no such model");
    const plain = await run(["embed", "a.png"], { loadError });
    assert.deepEqual([plain.code, plain.err], [1, "clip-blip: There is no such model\n"]);
    const debug = await run(["embed", "a.png"], { loadError }, { env: { NODE_DEBUG: "http,clip-blip" } });
    assert.match(debug.err, /There is no such model\n[\s\S]*\n {4}at /);
  });
});

describe("options", () => {
  test("the model is --model, else the environment's, else the demo", async () => {
    const env = { CLIP_MODEL: "env/clip", BLIP_MODEL: "env/blip" };
    const sourceOf = async (args: string[], context = {}) => ((await run(args, {}, context)).calls[0] as unknown[])[1];
    assert.equal(await sourceOf(["embed", "a.png"]), "demo");
    assert.equal(await sourceOf(["embed", "a.png"], { env }), "env/clip");
    assert.equal(await sourceOf(["classify", "a.png", "-l", "x"], { env }), "env/clip");
    assert.equal(await sourceOf(["caption", "a.png"], { env }), "env/blip");
    assert.equal(await sourceOf(["caption", "a.png", "--model", "mine"], { env }), "mine");
  });

  const NO_HUB = { revision: undefined, subfolder: undefined };

  test("device, dtype and batch size reach the library", async () => {
    const { calls } = await run(["embed", "a.png", "--device", "cuda:1", "--dtype", "float16", "--batch-size", "7"]);
    assert.deepEqual(calls[0], ["clip", "demo", { device: "cuda:1", dtype: "float16", maxBatchSize: 7, ...NO_HUB }]);
    const plain = await run(["caption", "a.png"]);
    assert.deepEqual(plain.calls[0], [
      "blip",
      "demo",
      { device: "auto", dtype: "auto", maxBatchSize: "auto", ...NO_HUB },
    ]);
    const some = await run(["caption", "a.png", "-m", "org/model", "--revision", "v1", "--subfolder", "blip"]);
    const options = { device: "auto", dtype: "auto", maxBatchSize: "auto", revision: "v1", subfolder: "blip" };
    assert.deepEqual(some.calls[0], ["blip", "org/model", options]);
  });

  test("the options of captions reach the library", async () => {
    const args = ["caption", "a.png", "--prompt", "a sketch of", "--max-length", "30", "--min-length", "5"];
    const { calls } = await run([...args, "--num-beams", "4"]);
    const options = { prompt: "a sketch of", numBeams: 4, maxLength: 30, minLength: 5 };
    assert.deepEqual(calls[1], ["captions", ["a.png"], options]);
  });

  test("--no-normalize reaches the library", async () => {
    assert.deepEqual((await run(["embed", "a.png", "--no-normalize"])).calls[1], ["images", ["a.png"], false]);
    assert.deepEqual((await run(["embed", "a.png"])).calls[1], ["images", ["a.png"], true]);
  });
});

describe("results", () => {
  test("embed prints a line an input, errors among them", async () => {
    const { code, out, err, calls } = await run(["embed", "a.png", "bad.png", "c.png", "nowhere.png"]);
    assert.equal(code, 1);
    assert.deepEqual(
      jsonLines(out).map(({ input, embedding, error }) => [input, embedding, (error as { code: string })?.code]),
      [
        ["nowhere.png", undefined, "ERR_IMAGE_NOT_FOUND"],
        ["a.png", [1.66666663, 1.25, 1], undefined],
        ["bad.png", undefined, "ERR_IMAGE_DECODE"],
        ["c.png", [1.66666663, 1.25, 1], undefined],
      ],
    );
    assert.match(err, /2 of 4 inputs failed/);
    assert.equal(calls.at(-1), "close");
  });

  test("numbers are the float32 that the model gave", async () => {
    const { out } = await run(["embed", "--text", "a dog", "x".repeat(977)]);
    for (const { text, embedding } of jsonLines(out)) {
      const expected = Float32Array.of(...[3, 4, 5].map((divisor) => (text as string).length / divisor));
      assert.deepEqual(Float32Array.from(embedding as number[]), expected);
    }
  });

  test("many texts go in several calls, each text once", async () => {
    const texts = Array.from({ length: 300 }, (_, index) => `text ${index}`);
    const { out, calls } = await run(["embed", "--text", ...texts, "text 0"]);
    assert.deepEqual(calls.slice(1, 3), [
      ["texts", 256],
      ["texts", 44],
    ]);
    assert.deepEqual(
      jsonLines(out).map(({ text }) => text),
      texts,
    );
  });

  test("inputs that stand for nothing load no model", async () => {
    const { code, calls } = await run(["caption", "nowhere.png"]);
    assert.deepEqual([code, calls], [1, []]);
  });

  test("caption prints a line an input", async () => {
    const { code, out } = await run(["caption", "a.png"]);
    assert.deepEqual([code, jsonLines(out)], [0, [{ input: "a.png", caption: 'a picture of "a.png" & <more>' }]]);
  });

  test("classify goes on without the pictures that fail", async () => {
    const { code, out, calls } = await run(["classify", "a.png", "bad.png", "c.png", "--labels", "dog, cat,dog"]);
    assert.equal(code, 1);
    assert.deepEqual(
      jsonLines(out).map(({ input, labels, error }) => [input, labels, (error as { code: string })?.code]),
      [
        ["bad.png", undefined, "ERR_IMAGE_DECODE"],
        [
          "a.png",
          [
            { label: "dog", score: 0.5 },
            { label: "cat", score: 0.5 },
          ],
          undefined,
        ],
        [
          "c.png",
          [
            { label: "dog", score: 0.5 },
            { label: "cat", score: 0.5 },
          ],
          undefined,
        ],
      ],
    );
    assert.deepEqual(calls[1], ["classify", ["a.png", "bad.png", "c.png"], ["dog", "cat"], undefined]);
    assert.equal((await run(["classify", "bad.png", "--labels", "dog"])).code, 1);
  });

  test("a lost device ends the run instead of failing every input after it", async () => {
    const { code, out, err, calls } = await run(["embed", "a.png", "fatal.png", "c.png"]);
    assert.deepEqual([code, jsonLines(out).length, err], [1, 1, "clip-blip: The device is gone\n"]);
    assert.equal(calls.at(-1), "close");
  });

  test("an interrupt keeps what is done and says nothing", async () => {
    const controller = new AbortController();
    const onPicture = (path: string) => {
      if (path === "c.png") controller.abort(new Error("interrupted"));
    };
    const args = ["embed", "a.png", "c.png", "fatal.png", "--out", "out.jsonl"];
    const { code, err } = await run(args, { onPicture }, { signal: controller.signal });
    assert.deepEqual([code, err], [0, ""]);
    const again = await run(["embed", "a.png", "c.png", "--out", "out.jsonl"]);
    assert.deepEqual(again.calls[1], ["images", ["c.png"], true]);
  });
});

describe("progress", () => {
  const terminal = () => {
    let text = "";
    const stream = new PassThrough().on("data", (chunk) => {
      text += chunk;
    });
    return { stream: Object.assign(stream, { isTTY: true, columns: 80 }), text: () => text };
  };

  test("is drawn on a terminal when the results go elsewhere, and taken away", async () => {
    const { stream: stderr, text } = terminal();
    await run(["embed", "a.png", "c.png", "--out", "progress.jsonl"], {}, { stderr });
    assert.match(text(), /\/2 \| .* images\/s \| .* left/);
    assert.ok(text().includes("\u001b[?25h"), "the cursor comes back");
  });

  test("is not drawn between results on the same terminal, nor into a file", async () => {
    const both = terminal();
    await run(["embed", "a.png"], {}, { stderr: both.stream, stdout: terminal().stream });
    assert.doesNotMatch(both.text(), /images\/s/);
    assert.doesNotMatch((await run(["embed", "a.png", "--out", "progress2.jsonl"])).err, /images\/s/);
  });

  test("the time left is that of the rate that is shown", () => {
    const unit = "images";
    assert.equal(paceOf({ done: 20, left: 80, seconds: 10, unit }), "2.0 images/s | 40 s left");
    assert.equal(paceOf({ done: 1, left: 170, seconds: 0.5, unit }), "2.0 images/s | 1 min 25 s left");
    assert.equal(paceOf({ done: 1000, left: 15, seconds: 100, unit }), "10.0 images/s | 1.5 s left");
    assert.equal(formatSeconds(7500), "2 h 5 min");
    assert.equal(formatSeconds(59.6), "1 min 0 s");
  });
});

describe("the end of a run", () => {
  test("a summary says what was done, unless the results are on the same terminal", async () => {
    const first = await run(["embed", "a.png", "bad.png", "--out", "summary.jsonl"]);
    assert.match(first.err, /clip-blip: 1 image in 0\.\d s, 1 failed\.\n$/);
    const second = await run(["embed", "a.png", "c.png", "--out", "summary.jsonl"]);
    assert.match(second.err, /^clip-blip: 1 image in 0\.\d s, 1 were there already\.\n$/);
    assert.equal((await run(["embed", "a.png"])).err, "");
  });
});

describe("standard input", () => {
  test("- is a picture that comes from there", async () => {
    for (const command of [["embed"], ["caption"], ["classify", "--labels", "a,b"]]) {
      const { code, out } = await run(
        [...command, "a.png", "-"],
        {},
        { stdin: Readable.from([Buffer.from("pic"), Buffer.from("ture")]) },
      );
      assert.equal(code, 0);
      assert.deepEqual(
        jsonLines(out).map(({ input }) => input),
        ["a.png", "-"],
      );
    }
    const { out } = await run(["embed", "-"], { dimension: 1 }, { stdin: Readable.from([Buffer.from("picture")]) });
    assert.ok(Math.abs((jsonLines(out)[0]!.embedding as number[])[0]! - "picture".length / 3) < 1e-6);
  });
});
