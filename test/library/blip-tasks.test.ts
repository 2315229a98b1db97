import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type Answer,
  BlipModel,
  exportCheckpoint,
  type GenerationOptions,
  type ImageInput,
  type Match,
} from "clip-blip";
import { afterAll, beforeAll, describe, it } from "vitest";
import { native } from "../../dist/native/instance.js";
import { demoPictures, loadBlip, repositoryPath } from "./models.js";

const CPU = { device: "cpu", dtype: "float32" } as const;
const checkpoint = (name: string) => repositoryPath(`test/fixtures/checkpoint/${name}`);
const fixture = (name: string) =>
  JSON.parse(readFileSync(repositoryPath(`test/fixtures/blip-tasks/${name}.json`), "utf8"));

const toImages = (pixels: string[]): ImageInput[] =>
  pixels.map((text) => ({ data: new Uint8Array(Buffer.from(text, "base64")), width: 16, height: 16, channels: 3 }));

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "clip-blip-tasks-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** The checkpoint itself, and an archive made of it. */
async function sources(name: string): Promise<string[]> {
  const archive = join(folder, `${name}.pt`);
  await exportCheckpoint(checkpoint(name), archive);
  return [checkpoint(name), archive];
}

describe("question answering", () => {
  interface Case {
    question: string;
    options: GenerationOptions;
    texts: { tokenIds: number[]; score: number }[];
  }
  const { pixels, cases }: { pixels: string[]; cases: Case[] } = fixture("question");
  const pictures = toImages(pixels);
  let blip: BlipModel;
  beforeAll(async () => {
    blip = await BlipModel.load(checkpoint("blip-question"), CPU);
  });
  afterAll(() => blip.close());

  function assertAnswers(answers: Answer[], expected: Case["texts"], what: string): void {
    const all = answers.flatMap(({ alternatives, ...best }) => [best, ...alternatives]);
    assert.equal(all.length, expected.length);
    for (const [index, { tokenIds, score }] of all.entries()) {
      const row = expected[index]!;
      assert.deepEqual(tokenIds, row.tokenIds, `${what}, text ${index}`);
      assert.ok(Math.abs(score - row.score) < 1e-4 * Math.max(1, Math.abs(row.score)), `${what}: score ${score}`);
    }
  }

  it("gives the answers of transformers over a grid of options, from the checkpoint and from its archive", async () => {
    for (const source of await sources("blip-question")) {
      await using model = await BlipModel.load(source, CPU);
      assert.equal(model.capabilities().task, "question-answering");
      for (const { question, options, texts } of cases) {
        assertAnswers(await model.answer(pictures, question, options), texts, JSON.stringify([question, options]));
      }
    }
  });

  it("answers questions of different lengths in one batch as if each were alone", async () => {
    const all = cases.map(({ options }) => JSON.stringify(options));
    for (const options of new Set(all)) {
      const same = cases.filter((_, index) => all[index] === options);
      const { texts } = same[0]!;
      const count = texts.length / pictures.length;
      const images = same.flatMap(() => pictures);
      const questions = same.flatMap(({ question }) => pictures.map(() => question));
      const answers = await blip.answer(images, questions, JSON.parse(options));
      assert.equal(answers.length, images.length);
      assertAnswers(
        answers,
        same.flatMap((one) => one.texts),
        options,
      );
      // One picture, every question.
      const about = await blip.answer(
        [pictures[1]!],
        same.map(({ question }) => question),
        JSON.parse(options),
      );
      assertAnswers(
        about,
        same.flatMap((one) => one.texts.slice(count, 2 * count)),
        options,
      );
    }
  });

  it("splits where memory ends, and answers the same", async () => {
    const questions = cases.filter((_, index) => index % 48 === 0).map(({ question }) => question);
    const images = questions.flatMap(() => pictures);
    const asked = questions.flatMap((question) => pictures.map(() => question));
    const options = { maxLength: 12, numBeams: 4 };
    native().resetPeak("cpu");
    const { allocated } = native().memory("cpu");
    const expected = await blip.answer(images, asked, options);
    const unlimited = native().memory("cpu").peak - allocated;
    const memoryLimit = Math.floor(unlimited * 0.6);
    await using tight = await BlipModel.load(checkpoint("blip-question"), { ...CPU, memoryLimit });
    native().resetPeak("cpu");
    const start = native().memory("cpu").allocated;
    const actual = await tight.answer(images, asked, options);
    assert.ok(native().memory("cpu").peak - start <= memoryLimit);
    assert.deepEqual(
      actual.map(({ tokenIds }) => tokenIds),
      expected.map(({ tokenIds }) => tokenIds),
    );
  });

  it("cuts long questions, or refuses them on request", async () => {
    const long = "word7 ".repeat(100);
    const [cut] = await blip.answer([pictures[0]!], long);
    // The context is 24 tokens, [CLS] and [SEP] among them.
    assert.deepEqual(await blip.answer([pictures[0]!], "word7 ".repeat(22)), [cut]);
    await assert.rejects(blip.answer([pictures[0]!], ["word1", long], { truncate: false }), {
      code: "ERR_TEXT_TOO_LONG",
      index: 1,
    });
  });
});

describe("image-text matching", () => {
  const { pixels, texts, matches }: { pixels: string[]; texts: string[]; matches: Match[][] } = fixture("matching");
  const pictures = toImages(pixels);

  function assertMatches(actual: Match[], expected: Match[]): void {
    assert.equal(actual.length, expected.length);
    for (const [index, { probability, similarity }] of actual.entries()) {
      assert.ok(Math.abs(probability - expected[index]!.probability) < 1e-5, `probability ${probability}`);
      assert.ok(Math.abs(similarity - expected[index]!.similarity) < 1e-5, `similarity ${similarity}`);
    }
  }

  it("gives the numbers of transformers, from the checkpoint and from its archive", async () => {
    for (const source of await sources("blip-matching")) {
      await using blip = await BlipModel.load(source, CPU);
      assert.equal(blip.capabilities().task, "image-text-matching");
      for (const [index, text] of texts.entries()) assertMatches(await blip.match(pictures, text), matches[index]!);
      // One picture with all texts, and pairs, whose texts have different lengths.
      for (const [index, picture] of pictures.entries()) {
        assertMatches(
          await blip.match([picture], texts),
          matches.map((row) => row[index]!),
        );
      }
      const pairs = pictures.map((_, index) => texts[index + 1]!);
      assertMatches(
        await blip.match(pictures, pairs),
        pictures.map((_, index) => matches[index + 1]![index]!),
      );
    }
  });

  it("is close in bfloat16 and float16", async () => {
    for (const dtype of ["bfloat16", "float16"] as const) {
      await using blip = await BlipModel.load(checkpoint("blip-matching"), { device: "cpu", dtype });
      for (const [index, { probability, similarity }] of (await blip.match(pictures, texts[0]!)).entries()) {
        assert.ok(Math.abs(probability - matches[0]![index]!.probability) < 0.05);
        assert.ok(Math.abs(similarity - matches[0]![index]!.similarity) < 0.05);
      }
    }
  });
});

describe("a model and what it was trained for", () => {
  it("refuses the other calls and says which model they need", async () => {
    await using caption = await loadBlip();
    await using answer = await BlipModel.load(checkpoint("blip-question"), CPU);
    await using match = await BlipModel.load(checkpoint("blip-matching"), CPU);
    const picture = demoPictures.slice(0, 1);
    const refused = (message: RegExp) => ({ code: "ERR_INVALID_ARGUMENT", message });
    await assert.rejects(caption.answer(picture, "what?"), refused(/captioning.*BlipForQuestionAnswering/));
    await assert.rejects(caption.match(picture, "a dog"), refused(/captioning.*BlipForImageTextRetrieval/));
    await assert.rejects(answer.caption(picture), refused(/question-answering.*BlipForConditionalGeneration/));
    await assert.rejects(answer.match(picture, "a dog"), refused(/question-answering.*BlipForImageTextRetrieval/));
    await assert.rejects(match.caption(picture), refused(/image-text-matching.*BlipForConditionalGeneration/));
    await assert.rejects(match.answer(picture, "what?"), refused(/image-text-matching.*BlipForQuestionAnswering/));
    assert.throws(() => match.captionStream(picture), refused(/BlipForConditionalGeneration/));
  });

  it("refuses numbers of pictures and texts that do not pair, and nothing gives nothing", async () => {
    await using blip = await BlipModel.load(checkpoint("blip-matching"), CPU);
    const [a, b, c] = demoPictures as [string, string, string];
    const wrong = { code: "ERR_INVALID_ARGUMENT" };
    await assert.rejects(blip.match([a, b, c], ["one", "two"]), wrong);
    await assert.rejects(blip.match([a, b], ["one", "two", "three"]), wrong);
    await assert.rejects(blip.match([a], [3 as unknown as string]), wrong);
    await assert.rejects(blip.match([a], "one", { truncate: 1 as unknown as boolean }), wrong);
    assert.deepEqual(await blip.match([], ["one"]), []);
    assert.deepEqual(await blip.match([a], []), []);
  });
});
