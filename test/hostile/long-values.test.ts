// A message shows at most 100 characters of what the caller gave, whatever the entry that it was given to.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  BlipModel,
  ClipModel,
  cosineSimilarity,
  exportCheckpoint,
  type ImageInput,
  type LoadOptions,
  similarityMatrix,
} from "clip-blip";
import { clipEmbeddingModel } from "clip-blip/ai-sdk";
import { ClipEmbeddings } from "clip-blip/langchain";
import { createJobBackend, startWorker } from "clip-blip/queue";
import { ImageIndex } from "clip-blip/search";
import { createServer, type ServerOptions } from "clip-blip/server";
import { afterAll, beforeAll, describe, it } from "vitest";
import { demoPictures, loadBlip, loadClip } from "../library/models.js";
import { run } from "../unit/support/cli.js";

const good = demoPictures[0]!;
const base64 = readFileSync(good).toString("base64");

/** Long values; the letter Q counts what is shown of each, as no message of ours has it. */
const VALUES: Record<string, string> = {
  letters: "Q".repeat(1 << 20),
  "a path": `/${"QQQQ/".repeat(20_000)}`,
  words: "QQ Q ".repeat(20_000),
  lines: "Q\n".repeat(50_000),
  "a URL": `https://example.org/${"Q".repeat(1 << 20)}?${"Q".repeat(1000)}`,
  "a scheme": `${"Q".repeat(1 << 20)}://a`,
  "a file URL": `file:///${"Q".repeat(1 << 20)}`,
  "a data URL": `data:image/png;base64,${"Q".repeat(1 << 20)}`,
  "a name on the hub": `${"Q".repeat(500_000)}/${"Q".repeat(500_000)}`,
};

/** `values`: how many of the caller's values it may show. */
function assertShort(message: string, values = 1): void {
  assert.ok(message.length <= 1000, `${message.length} characters: ${message.slice(0, 300)}`);
  const shown = message.match(/Q/g)?.length ?? 0;
  assert.ok(shown <= 100 * values, `${shown} of the caller's characters: ${message.slice(0, 300)}`);
}

/** Whatever comes of a call, what is said is short. */
async function isBrief(call: () => unknown, values = 1): Promise<void> {
  try {
    await call();
  } catch (error) {
    assert.match((error as { code: string }).code, /^ERR_/, String(error).slice(0, 300));
    assertShort((error as Error).message, values);
  }
}

let clip: ClipModel;
let blip: BlipModel;
let folder: string;
beforeAll(async () => {
  clip = await loadClip();
  blip = await loadBlip();
  folder = mkdtempSync(join(tmpdir(), "clip-blip-long-"));
});
afterAll(async () => {
  await clip.close();
  await blip.close();
  rmSync(folder, { recursive: true, force: true });
});

/** As an option's value, its name, and inside of lists and objects. */
const shapes = (text: string) => [text, [text], { [text]: text }, [[text]]];
const LOAD = ["device", "dtype", "maxBatchSize", "releaseCache", "sha256", "revision", "subfolder", "signal"];
const CAPTION = ["prompt", "maxLength", "numBeams", "earlyStopping", "badWords", "temperature", "seed", "signal"];

describe("a value of a megabyte leaves every message short", () => {
  for (const [what, text] of Object.entries(VALUES)) {
    const wrong = <T>(value: unknown) => value as T;

    it(`${what}, as a picture or a text`, async () => {
      for (const value of shapes(text)) {
        const image = wrong<ImageInput>(value);
        await isBrief(() => clip.encodeImages([good, image]));
        await isBrief(() => clip.encodeImages(wrong(value)));
        await isBrief(() => blip.caption([image]));
        await isBrief(() => clip.encodeTexts([wrong(value)], { truncate: false }));
        await isBrief(() => clip.classify([good], [wrong(value)], { template: wrong(value) }));
        await isBrief(() => clip.similarity([image], [wrong<string>(value)]));
        await isBrief(() => clip.similarity([wrong<number[]>([text])], [wrong<number[]>([text])]));
        await isBrief(() => cosineSimilarity(wrong(value), wrong(value)));
        await isBrief(() => similarityMatrix([wrong(value)], [wrong(value)]));
        await isBrief(() => blip.answer([image], wrong(value)));
        await isBrief(() => clip.countTokens([wrong(value)]));
        for await (const result of clip.encodeImageStream([image]))
          if ("error" in result) assertShort(result.error.message);
        for await (const result of blip.captionStream([image]))
          if ("error" in result) assertShort(result.error.message);
      }
      const named = Object.assign(new Blob(["no picture"]), { name: text });
      await assert.rejects(clip.encodeImages([named]), (error: Error) => {
        assertShort(error.message);
        return true;
      });
    });

    // As a picture everything is read in its own way; elsewhere these stand for all.
    if (!["letters", "a path", "words", "lines"].includes(what)) continue;

    it(`${what}, as an option and its name`, async () => {
      for (const value of shapes(text)) {
        for (const options of [{ [text]: 1 }, wrong<object>(value)]) {
          await isBrief(() => clip.encodeImages([good], options));
          await isBrief(() => clip.encodeTexts(["a"], options));
          await isBrief(() => blip.caption([good], options));
          await isBrief(() => ClipModel.load("demo", options));
          await isBrief(() => clipEmbeddingModel({ model: clip, ...options }));
          await isBrief(() => new ClipEmbeddings({ model: clip, ...options }));
        }
        for (const name of LOAD) await isBrief(() => ClipModel.load("demo", { [name]: value } as LoadOptions));
        for (const name of CAPTION) await isBrief(() => blip.caption([good], { [name]: value }));
        await isBrief(() => createJobBackend({ redis: wrong(value) }));
        await isBrief(() => createJobBackend({ redis: "redis://127.0.0.1:1", queue: `${text}:` }));
        await isBrief(() => startWorker({ redis: "redis://127.0.0.1:1", clip, roots: [text] }));
        await isBrief(() =>
          startWorker({ redis: "redis://127.0.0.1:1", clip, allowRemote: true, allowedAddresses: [text] }),
        );
        for (const name of ["clip", "load", "limits", "rateLimit", "allowedAddresses", text]) {
          await isBrief(() =>
            createServer({ logger: false, allowRemote: true, [name]: value } as ServerOptions).ready(),
          );
        }
      }
    });

    it(`${what}, as the path of a model, an archive, an index`, async () => {
      await isBrief(() => ClipModel.load(text, { device: "cpu" }));
      await isBrief(() => BlipModel.load(text, { revision: text, subfolder: text }));
      await isBrief(() => ClipModel.load("demo", { subfolder: text }));
      await isBrief(() => exportCheckpoint(text, join(folder, "model.pt")));
      await isBrief(() => exportCheckpoint("demo", text));
      await isBrief(() => ImageIndex.open(text, { model: clip }));
      await isBrief(() => ImageIndex.open(folder, { model: clip, path: text }));
      const index = await ImageIndex.open(folder, { model: clip, modelName: text });
      await isBrief(() => index.add([text]));
      await isBrief(() => index.remove([`../${text}`]));
      await isBrief(() => index.searchImage(text));
      await index.close();
      // Its message has both models' names.
      const other = { encodeImages: async () => [Float32Array.of(1)], encodeImageStream: clip.encodeImageStream };
      await isBrief(() => ImageIndex.open(folder, { model: other as never, modelName: text }), 2);
      rmSync(`${folder}.clip-blip`, { recursive: true, force: true });
    });

    it(`${what}, on a command line`, async () => {
      for (const args of [
        ["embed", text],
        ["embed", `${text}*.jpg`],
        ["caption", text, "--format", text],
        ["caption", "a.png", "--num-beams", text],
        ["caption", "a.png", `--${text}`],
        ["classify", "bad.png", "--labels", text, "--out", `${text}.xyz`],
        ["embed", "--text", "a", "--out", join(folder, text)],
        ["search", text, "a"],
        ["export", text, text],
        ["serve", "--port", text],
        ["worker", "--redis", text],
        ["bench", text],
        [text],
      ]) {
        const { err } = await run(args);
        // A line has the name of the input and what is said of it.
        assertShort(err, 2);
      }
      const meta = join(folder, "out.jsonl");
      await run(["caption", "a.png", "--out", meta, "--prompt", text]);
      writeFileSync(meta, '{"input": "a.png", "caption": "a"}\n');
      // It has both runs' prompts.
      assertShort((await run(["caption", "a.png", "--out", meta, "--prompt", `${text}.`])).err, 2);
      rmSync(meta);
    });

    it(`${what}, in a request`, async () => {
      const app = createServer({ logger: false, clip, blip, allowRemote: true });
      await app.ready();
      while ((await app.inject("/health/ready")).statusCode !== 200)
        await new Promise((resolve) => setImmediate(resolve));
      for (const value of shapes(text)) {
        for (const [url, bodies] of Object.entries({
          "/v1/embeddings": [
            "input",
            "modality",
            "model",
            "user",
            "encoding_format",
            "dimensions",
            "messages",
            text,
          ].flatMap((name) => [
            { input: "a", [name]: value },
            { input: [{ type: value, text: "a" }, { image: value }, { [text]: value }] },
          ]),
          "/api/v1/embeddings/images": [{ images: value }, { images: [value] }, { images: [], [text]: 1 }],
          "/api/v1/embeddings/texts": [{ texts: value }, { texts: [value] }, { [text]: 1 }],
          "/api/v1/captions": [{ images: [value], prompt: value, badWords: value, earlyStopping: value }],
          "/api/v1/classifications": [{ images: [value], labels: value, template: value }],
          "/api/v1/jobs": [
            { type: value, images: value, options: value },
            { type: "captions", images: [{ uri: "a", [text]: 1 }] },
          ],
          "/api/v1/warmup": [value],
        })) {
          for (const payload of bodies) {
            const response = await app.inject({ method: "POST", url, payload: payload as object });
            if (response.statusCode !== 200) assertShort(response.json().error.message);
          }
        }
      }
      for (const path of [`/${text}`, `/api/v1/jobs/${text}`, `/api/v1/capabilities?${text}=1`]) {
        const response = await app.inject(encodeURI(path));
        assertShort(response.json().error.message);
      }
      await app.close();
    });
  }

  it("a line of the service's log shows the beginning and the end of a URL", async () => {
    const lines: string[] = [];
    const stream = { write: (line: string) => void lines.push(line) };
    const app = createServer({ logger: { level: "info", stream }, clip, blip: false });
    await app.inject({ method: "GET", url: `/api/v1/jobs/${"Q".repeat(10_000)}?${"Q".repeat(5000)}` });
    await app.inject({ method: "GET", url: "/health/live?a=b" });
    await app.close();
    const urls = lines.flatMap((line) => JSON.parse(line).req?.url ?? []);
    assert.deepEqual(urls, [`/api/v1/jobs/${"Q".repeat(47)}…${"Q".repeat(39)}`]);
    for (const line of lines) assertShort(line);
  });

  it("base64 given as a path says what to give instead", async () => {
    for (const image of [base64, base64.slice(0, 120), base64.slice(0, 400), "Q".repeat(5000)]) {
      await assert.rejects(clip.encodeImages([good, image]), (error: Error & { code: string; index: number }) => {
        assert.deepEqual([error.code, error.index], ["ERR_INVALID_ARGUMENT", 1]);
        assert.match(error.message, /for base64, use a Buffer or a data: URL\. \(item 1\)$/);
        assert.ok(error.message.length < 250);
        assert.equal(error.cause, undefined);
        return true;
      });
    }
  });
});
