import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, describe, test } from "node:test";
import sharp from "sharp";
import { jsonLines, run } from "./support/cli.js";

const folder = mkdtempSync(join(tmpdir(), "clip-blip-output-"));
const home = process.cwd();
const PICTURES = ["a.png", 'b "quoted", comma.png', "bad.png", "c & <d>.png"];
before(async () => {
  process.chdir(folder);
  const picture = await sharp({ create: { width: 8, height: 6, channels: 3, background: "red" } })
    .png()
    .toBuffer();
  for (const name of [...PICTURES, "e.png"]) writeFileSync(name, picture);
});
beforeEach(() => {
  for (const name of readdirSync(".")) if (name.startsWith("out")) rmSync(name);
});
after(() => {
  process.chdir(home);
  rmSync(folder, { recursive: true, force: true });
});

const read = (path: string) => readFileSync(path, "utf8");
const picturesOf = (calls: unknown[]) => (calls.find((call) => /images|captions/.test(String(call))) as unknown[])?.[1];

for (const [format, command] of [
  ["jsonl", "embed"],
  ["jsonl", "caption"],
  ["csv", "caption"],
  ["html", "caption"],
] as const) {
  const out = `out.${format}`;
  describe(`${command} to ${format}`, () => {
    test("goes on at whatever byte it was stopped, with the same result", async () => {
      const good = ["a.png", 'b "quoted", comma.png', "c & <d>.png"];
      assert.equal((await run([command, ...good, "--out", out])).code, 0);
      const whole = readFileSync(out);
      // An odd step meets every kind of place in the long style sheet and thumbnails of a page.
      const step = Math.max(1, Math.floor(whole.length / 200) * 2 - 1);
      for (let length = 0; length <= whole.length; length += step) {
        writeFileSync(out, whole.subarray(0, length));
        const { code, err } = await run([command, ...good, "--out", out]);
        assert.equal(code, 0, `${length}: ${err}`);
        assert.equal(read(out), whole.toString(), `stopped at byte ${length}`);
      }
    });

    test("does only what is new, without loading a model for nothing", async () => {
      await run([command, "a.png", "--out", out]);
      const second = await run([command, "a.png", "e.png", "--out", out]);
      assert.deepEqual(picturesOf(second.calls), ["e.png"]);
      const before = read(out);
      assert.deepEqual((await run([command, "a.png", "e.png", "--out", out])).calls, []);
      assert.equal(read(out), before);
    });

    test("tries again what failed, and has one result of each", async () => {
      const first = await run([command, ...PICTURES, "--out", out]);
      assert.equal(first.code, 1);
      assert.match(first.err, /^clip-blip: 1 of 4 inputs failed; /);
      const second = await run([command, ...PICTURES, "--out", out]);
      assert.equal(second.code, 1);
      assert.deepEqual(picturesOf(second.calls), ["bad.png"]);
      assert.equal(read(out).match(/bad\.png is no picture/g)?.length, 1);
      assert.deepEqual(
        readdirSync(".").filter((name) => name.endsWith(".tmp")),
        [],
      );
    });

    test("leaves a file of something else alone", async () => {
      for (const content of ["my notes", "my notes\n", '{"id": 1}\n', "\0\0\0\n".repeat(1000)]) {
        writeFileSync(out, content);
        const { code, err } = await run([command, "a.png", "--out", out]);
        assert.deepEqual([code, read(out)], [2, content]);
        assert.match(err, /exists and is not a .* file of this command: choose another --out/);
      }
    });

    test("is whole after every result", async () => {
      const seen: string[] = [];
      await run([command, "a.png", "e.png", "--out", out], {
        onPicture: () => seen.push(existsSync(out) ? read(out) : ""),
      });
      assert.equal(seen.length, 2);
      if (format === "html") for (const text of seen) assert.match(text, /<\/html>\n$/);
      else for (const text of seen) assert.match(text, /^$|\n$/);
    });
  });
}

describe("html", () => {
  test("is one page with escaped text and thumbnails", async () => {
    await run(["caption", ...PICTURES, "--out", "out.html"]);
    const page = read("out.html");
    assert.match(page, /<p>a picture of &quot;c &amp; &lt;d&gt;\.png&quot; &amp; &lt;more&gt;<\/p>/);
    assert.equal(page.match(/src="data:image\/webp;base64,/g)?.length, 3);
    assert.equal(page.match(/class="failed"/g)?.length, 1);
    assert.match(page, /prefers-color-scheme: dark/);
    assert.doesNotMatch(page, /<more>|c & <d>/);
  });

  test("can go to standard output", async () => {
    const { out } = await run(["caption", "a.png", "--format", "html"]);
    assert.match(out, /^<!doctype html>[\s\S]*<figure [\s\S]*<\/html>\n$/);
  });
});

describe("csv", () => {
  test("quotes what needs it", async () => {
    await run(["caption", ...PICTURES, "--out", "out.csv"]);
    const lines = read("out.csv").split("\n");
    assert.equal(lines[0], "input,caption,error");
    assert.equal(
      lines[2],
      '"b ""quoted"", comma.png","a picture of ""b """"quoted"""", comma.png"" & <more>",'.replaceAll('""""', '""'),
    );
    assert.equal(lines[3], "bad.png,,ERR_IMAGE_DECODE: bad.png is no picture");
  });

  test("takes a line break in a name", { skip: process.platform === "win32" }, async () => {
    const name = "out two\nlines.png";
    writeFileSync(name, readFileSync("a.png"));
    for (let times = 0; times < 2; times++) assert.equal((await run(["caption", name, "--out", "out.csv"])).code, 0);
    assert.equal(read("out.csv").match(/two/g)?.length, 2);
  });
});

describe("npy", () => {
  const rows = () => {
    const bytes = readFileSync("out.npy");
    const header = bytes.toString("latin1", 10, 128);
    const [, count, dimension] = /'shape': \((\d+), (\d+)\)/.exec(header)!.map(Number);
    assert.ok(header.endsWith("\n"));
    return {
      count,
      dimension,
      data: [...new Float32Array(bytes.buffer.slice(bytes.byteOffset + 128, bytes.byteOffset + bytes.length))],
    };
  };

  test("has a row for each result, and names beside it", async () => {
    const { code } = await run(["embed", ...PICTURES, "--text", "dog", "--out", "out.npy"]);
    assert.equal(code, 1);
    const { count, dimension, data } = rows();
    assert.deepEqual([count, dimension, data.length], [4, 3, 12]);
    assert.deepEqual(data.slice(0, 3), [...Float32Array.of(1, 3 / 4, 3 / 5)]);
    assert.deepEqual(
      jsonLines(read("out.npy.jsonl")).map((line) => [line.row, line.text ?? line.input]),
      [
        [0, "dog"],
        [1, "a.png"],
        [2, PICTURES[1]],
        [undefined, "bad.png"],
        [3, PICTURES[3]],
      ],
    );
  });

  test("goes on after any byte it was stopped at, with the same result", async () => {
    const good = ["a.png", "c & <d>.png", "e.png"];
    await run(["embed", ...good, "--out", "out.npy"]);
    const [array, names] = [readFileSync("out.npy"), read("out.npy.jsonl")];
    const resume = async (what: string) => {
      const { code, err } = await run(["embed", ...good, "--out", "out.npy"]);
      assert.equal(code, 0, `${what}: ${err}`);
      assert.deepEqual([readFileSync("out.npy").equals(array), read("out.npy.jsonl")], [true, names], what);
    };
    for (let length = 0; length <= names.length; length++) {
      truncateSync("out.npy.jsonl", length);
      await resume(`names stopped at byte ${length}`);
    }
    // What the array had when it was stopped in its third row, of which the names do not know yet.
    const known = names.split("\n").slice(0, 2).join("\n").concat("\n");
    for (let length = 128 + 2 * 12; length <= array.length; length++) {
      const torn = Buffer.from(array.subarray(0, length));
      torn.write(array.toString("latin1", 0, 128).replace("(3, 3)", "(2, 3)"), 0, "latin1");
      writeFileSync("out.npy", torn);
      writeFileSync("out.npy.jsonl", known);
      await resume(`array stopped at byte ${length}`);
    }
  });

  test("is valid without any row", async () => {
    await run(["embed", "bad.png", "--out", "out.npy"], { dimension: 5 });
    assert.deepEqual(rows(), { count: 0, dimension: 5, data: [] });
  });

  test("tries again what failed", async () => {
    await run(["embed", ...PICTURES, "--out", "out.npy"]);
    const { calls } = await run(["embed", ...PICTURES, "--out", "out.npy"]);
    assert.deepEqual(picturesOf(calls), ["bad.png"]);
    assert.equal(rows().count, 3);
  });

  test("refuses another model's rows, a foreign file, and files that do not belong together", async () => {
    await run(["embed", "a.png", "--out", "out.npy"]);
    const other = await run(["embed", "e.png", "--out", "out.npy"], { dimension: 4 });
    assert.deepEqual([other.code, rows().count], [2, 1]);
    assert.match(other.err, /rows of 3 numbers and this model makes 4/);
    truncateSync("out.npy", 0);
    assert.match((await run(["embed", "e.png", "--out", "out.npy"])).err, /names 1 rows that out\.npy lacks/);
    writeFileSync("out.npy", "not an array");
    assert.equal((await run(["embed", "e.png", "--out", "out.npy"])).code, 2);
    assert.equal(read("out.npy"), "not an array");
  });

  test("needs a file", async () => {
    const { code, err } = await run(["embed", "a.png", "--format", "npy"]);
    assert.equal(code, 2);
    assert.match(err, /--format npy needs --out/);
  });
});
