import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } from "hyparquet";
import { parquetWriteBuffer } from "hyparquet-writer";
import sharp from "sharp";
import { afterAll, beforeAll, beforeEach, describe, test } from "vitest";
import { jsonLines, run } from "./support/cli.js";

const folder = mkdtempSync(join(tmpdir(), "clip-blip-output-"));
const home = process.cwd();
const PICTURES = ["a.png", 'b "quoted", comma.png', "bad.png", "c & <d>.png"];
beforeAll(async () => {
  process.chdir(folder);
  const picture = await sharp({ create: { width: 8, height: 6, channels: 3, background: "red" } })
    .png()
    .toBuffer();
  for (const name of [...PICTURES, "e.png"]) writeFileSync(name, picture);
});
beforeEach(() => {
  for (const name of readdirSync(".")) if (name.startsWith("out")) rmSync(name);
});
afterAll(() => {
  process.chdir(home);
  rmSync(folder, { recursive: true, force: true });
});

const read = (path: string) => readFileSync(path, "utf8");
const picturesOf = (calls: unknown[]) => (calls.find((call) => /images|captions/.test(String(call))) as unknown[])?.[1];

for (const [format, command] of [
  ["jsonl", "embed"],
  ["csv", "embed"],
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

  test("names the model, and pictures by short paths", async () => {
    const far = join(process.cwd(), "..", "somewhere", "far", "away.png");
    const { out } = await run(["caption", "a.png", far, "--model", "org/<model>", "--format", "html"]);
    assert.match(out, /<h1>Captions<\/h1><p>written by org\/&lt;model&gt;<\/p>/);
    assert.match(out, /<small title="a\.png">a\.png<\/small>/);
    assert.ok(out.includes(`<small title="${far}">${join("far", "away.png")}</small>`));
  });

  test("can go to standard output", async () => {
    const { out } = await run(["caption", "a.png", "--format", "html"]);
    assert.match(out, /^<!doctype html>[\s\S]*<figure [\s\S]*<\/html>\n$/);
  });
});

describe("csv", () => {
  test("has embeddings as arrays, and a column for texts", async () => {
    await run(["embed", "a.png", "bad.png", "--text", "dog, cat", "--out", "out.csv"]);
    assert.deepEqual(read("out.csv").split("\n"), [
      "input,text,embedding,error",
      ',"dog, cat","[2.66666675,2,1.60000002]",',
      'a.png,,"[1.66666663,1.25,1]",',
      "bad.png,,,ERR_IMAGE_DECODE: bad.png is no picture",
      "",
    ]);
    const { calls } = await run(["embed", "a.png", "bad.png", "--text", "dog, cat", "", "--out", "out.csv"]);
    assert.deepEqual(calls[1], ["texts", 1]);
    assert.deepEqual(picturesOf(calls), ["bad.png"]);
    const again = await run(["embed", "a.png", "--text", "dog, cat", "", "--out", "out.csv"]);
    assert.deepEqual(again.calls, []);
  });

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

  test("takes a line break in a name", async () => {
    const name = "out two\nlines.png";
    writeFileSync(name, readFileSync("a.png"));
    for (let times = 0; times < 2; times++) assert.equal((await run(["caption", name, "--out", "out.csv"])).code, 0);
    assert.equal(read("out.csv").match(/two/g)?.length, 2);
  });
});

describe("what made a file", () => {
  const outs = ["out.jsonl", "out.csv", "out.npy", "out.parquet"];

  test("is written beside it or in it, and another model or other options are refused", async () => {
    for (const out of outs) {
      assert.equal((await run(["embed", "a.png", "--out", out])).code, 0);
      if (!out.endsWith("parquet")) {
        assert.deepEqual(JSON.parse(read(`${out}.meta.json`)), {
          command: "embed",
          model: "demo",
          options: { normalize: true },
        });
      }
      const before = readFileSync(out);
      for (const [more, said] of [
        [["--model", "other/clip"], 'model "demo", not "other/clip"'],
        [["--no-normalize"], 'options {"normalize":true}, not {"normalize":false}'],
        [["--revision", "v1"], 'options {"normalize":true}, not {"revision":"v1","normalize":true}'],
        [["--subfolder", "b"], 'options {"normalize":true}, not {"subfolder":"b","normalize":true}'],
      ] as const) {
        const { code, err } = await run(["embed", "e.png", "--out", out, ...more]);
        assert.equal(code, 2, out);
        assert.ok(err.includes(`${out} holds results of another run (${said}): choose another --out, or delete`), err);
        assert.ok(readFileSync(out).equals(before));
      }
      assert.equal((await run(["embed", "e.png", "--out", out])).code, 0);
    }
  });

  test("is the same for a folder however it is named, and made anew for an empty file", async () => {
    assert.equal((await run(["caption", "a.png", "--out", "out.csv", "--model", "."])).code, 0);
    assert.equal((await run(["caption", "e.png", "--out", "out.csv", "--model", folder])).code, 0);
    writeFileSync("out.csv", "");
    assert.equal((await run(["caption", "e.png", "--out", "out.csv", "--prompt", "a"])).code, 0);
    assert.deepEqual(JSON.parse(read("out.csv.meta.json")).options, { prompt: "a" });
  });

  test("is not asked of a file of an older version", async () => {
    await run(["embed", "a.png", "--out", "out.jsonl"]);
    rmSync("out.jsonl.meta.json");
    const { code, calls } = await run(["embed", "a.png", "e.png", "--out", "out.jsonl", "--model", "other/clip"]);
    assert.deepEqual([code, picturesOf(calls)], [0, ["e.png"]]);
  });
});

describe("parquet", () => {
  const table = async (path = "out.parquet") => {
    const file = await asyncBufferFromFile(path);
    return { rows: await parquetReadObjects({ file }), metadata: await parquetMetadataAsync(file) };
  };

  test("has a row for each result, errors last", async () => {
    assert.equal((await run(["embed", ...PICTURES, "--text", "dog", "--out", "out.parquet"])).code, 1);
    const { rows } = await table();
    assert.deepEqual(rows, [
      { input: null, text: "dog", embedding: [...Float32Array.of(1, 3 / 4, 3 / 5)], error: null },
      ...["a.png", PICTURES[1]!, PICTURES[3]!].map((input) => ({
        input,
        text: null,
        embedding: [...Float32Array.from([3, 4, 5], (divisor) => input.length / divisor)],
        error: null,
      })),
      { input: "bad.png", text: null, embedding: undefined, error: "ERR_IMAGE_DECODE: bad.png is no picture" },
    ]);
  });

  test("takes captions", async () => {
    await run(["caption", "a.png", "--out", "out.parquet"]);
    const { rows } = await table();
    assert.deepEqual(rows[0], {
      input: "a.png",
      text: null,
      caption: 'a picture of "a.png" & <more>',
      error: null,
    });
    assert.match((await run(["embed", "a.png", "--out", "out.parquet"])).err, /is not a Parquet file of this command/);
  });

  test("goes on where it stopped, and tries again what failed", async () => {
    await run(["embed", "a.png", "bad.png", "--out", "out.parquet"]);
    const { calls, code } = await run(["embed", ...PICTURES, "e.png", "--out", "out.parquet"]);
    assert.deepEqual([code, picturesOf(calls)], [1, PICTURES.slice(1).concat("e.png")]);
    const { rows, metadata } = await table();
    assert.deepEqual(
      rows.map(({ input }) => input),
      ["a.png", PICTURES[1], PICTURES[3], "e.png", "bad.png"],
    );
    assert.equal(metadata.num_rows, 5n);
  });

  test("goes on after any byte it was stopped at", async () => {
    await run(["embed", "a.png", "--out", "out.parquet"]);
    const first = readFileSync("out.parquet").length;
    await run(["embed", "a.png", "e.png", "--out", "out.parquet"]);
    const whole = readFileSync("out.parquet");
    for (let length = first; length < whole.length; length += 7) {
      writeFileSync("out.parquet", whole.subarray(0, length));
      const { code, calls, err } = await run(["embed", "a.png", "e.png", "--out", "out.parquet"]);
      assert.equal(code, 0, `${length}: ${err}`);
      assert.deepEqual(picturesOf(calls), ["e.png"], `stopped at byte ${length}`);
      assert.equal((await table()).rows.length, 2);
    }
  });

  test("is valid before the first result, and after each group of rows", async () => {
    const texts = Array.from({ length: 2500 }, (_, index) => `text ${index}`);
    const seen: number[] = [];
    const onTexts = async () => void seen.push((await table()).rows.length);
    const { code, err } = await run(["embed", "--text", ...texts, "--out", "out.parquet"], { onTexts });
    assert.equal(code, 0);
    assert.match(err, /^clip-blip: 2500 inputs in [\d.]+ s\.\n$/);
    assert.deepEqual([...new Set(seen)], [0, 1024, 2048]);
    const { rows, metadata } = await table();
    assert.deepEqual(
      metadata.row_groups.map((group) => group.num_rows),
      [1024n, 1024n, 452n],
    );
    assert.deepEqual(
      rows.map(({ text }) => text),
      texts,
    );
  });

  test("leaves other files alone, and needs one", async () => {
    const foreign = parquetWriteBuffer({ columnData: [{ name: "input", data: ["a.png"] }] });
    for (const content of [Buffer.from("my notes"), Buffer.from("PAR1 my notes PAR1"), Buffer.from(foreign)]) {
      writeFileSync("out.parquet", content);
      const { code, err } = await run(["embed", "a.png", "--out", "out.parquet"]);
      assert.deepEqual([code, readFileSync("out.parquet").equals(content)], [2, true]);
      assert.match(err, /exists and is not a Parquet file of this command/);
    }
    assert.match((await run(["embed", "a.png", "--format", "parquet"])).err, /--format parquet needs --out/);
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
    assert.match(other.err, /rows of 3 numbers, but this model makes 4/);
    truncateSync("out.npy", 0);
    assert.match((await run(["embed", "e.png", "--out", "out.npy"])).err, /names 1 rows, more than out\.npy has/);
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

describe("a name of --out whose extension is of no format", () => {
  for (const args of [
    ["embed", "a.png", "--out", "out.xyz"],
    ["embed", "a.png", "--out", "out.html"],
    ["caption", "a.png", "--out", "out.npy"],
    ["caption", "a.png", "--out", "out.JSON"],
    ["classify", "a.png", "--labels", "a,b", "--out", "out.csv"],
  ]) {
    test(args.join(" "), async () => {
      const { code, err, calls } = await run(args);
      assert.deepEqual([code, calls, existsSync(args.at(-1)!)], [2, [], false]);
      assert.match(err, /^clip-blip: --out out\.\w+ has an unknown extension: let the name end in \.jsonl\b/);
    });
  }

  test("goes with --format, and without an extension it is JSON Lines", async () => {
    assert.equal((await run(["embed", "a.png", "--out", "out.xyz", "--format", "csv"])).code, 0);
    assert.match(read("out.xyz"), /^input,text,embedding/);
    assert.equal((await run(["embed", "a.png", "--out", "out"])).code, 0);
    assert.equal(jsonLines(read("out")).length, 1);
    assert.equal((await run(["classify", "a.png", "--labels", "a,b", "--out", "out.jsonl"])).code, 0);
  });
});
