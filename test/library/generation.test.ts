import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { BlipModel, type Caption, type GenerationOptions, type ImageInput } from "clip-blip";
import { afterAll, beforeAll, describe, it } from "vitest";
import { loadBlip, repositoryPath } from "./models.js";

/** What transformers writes: see test/fixtures/make_generation.py. */
interface Fixture {
  /** Names of demo pictures, or pixels of 16 x 16 in base64. */
  pictures?: string[];
  pixels?: string[];
  cases: { prompt: string | null; options: GenerationOptions; texts: { tokenIds: number[]; score: number }[] }[];
  /** Probabilities of the first token of each picture. */
  sampling?: { options: GenerationOptions; chances: Record<string, number>[] }[];
}

const fixture = (name: string): Fixture =>
  JSON.parse(readFileSync(repositoryPath(`test/fixtures/generation/${name}.json`), "utf8"));

function images({ pictures, pixels }: Fixture): ImageInput[] {
  if (pictures) return pictures.map((name) => repositoryPath(`models/demo-pictures/${name}`));
  return pixels!.map((text) => ({
    data: new Uint8Array(Buffer.from(text, "base64")),
    width: 16,
    height: 16,
    channels: 3,
  }));
}

const load = (name: string) =>
  name === "demo"
    ? loadBlip()
    : BlipModel.load(repositoryPath(`test/fixtures/checkpoint/${name}`), { device: "cpu", dtype: "float32" });

/** transformers 5 does not look for defaults in the configuration of a BLIP; blip-untied has some. */
const NO_DEFAULTS: GenerationOptions = { numBeams: 1, minLength: 0 };

/** Every text of every picture, in the order of transformers. */
const texts = (captions: Caption[]) => captions.flatMap(({ alternatives, ...best }) => [best, ...alternatives]);
const ids = (captions: Caption[]) => texts(captions).map(({ tokenIds }) => tokenIds);

for (const name of ["demo", "blip", "blip-untied"]) {
  describe(`options of generation next to transformers, ${name}`, () => {
    const expected = fixture(name);
    const pictures = images(expected);
    let blip: BlipModel;
    beforeAll(async () => {
      blip = await load(name);
    });
    afterAll(() => blip.close());

    for (const { prompt, options, texts: rows } of expected.cases) {
      it(`${JSON.stringify(options)}, prompt ${JSON.stringify(prompt)}`, async () => {
        const captions = await blip.caption(pictures, {
          ...NO_DEFAULTS,
          ...options,
          ...(prompt === null ? {} : { prompt }),
        });
        assert.equal(captions.length, pictures.length);
        for (const [index, { tokenIds, score }] of texts(captions).entries()) {
          const row = rows[index]!;
          assert.deepEqual(tokenIds, row.tokenIds, `text ${index}`);
          const tolerance = 1e-4 * Math.max(1, Math.abs(row.score));
          assert.ok(Math.abs(score - row.score) < tolerance, `score ${score}, expected ${row.score}`);
        }
        assert.equal(texts(captions).length, rows.length);
      });
    }

    it("all of them in concurrent calls", async () => {
      const results = await Promise.all(
        expected.cases.map(({ prompt, options }) =>
          blip.caption(pictures, { ...NO_DEFAULTS, ...options, prompt: prompt ?? "" }),
        ),
      );
      for (const [index, { texts: rows, options }] of expected.cases.entries()) {
        assert.deepEqual(
          ids(results[index]!),
          rows.map(({ tokenIds }) => tokenIds),
          JSON.stringify(options),
        );
      }
    });

    it("prompts of different lengths in one call", async () => {
      const short = expected.cases.filter(({ prompt }) => prompt === null);
      for (const { options, texts: rows } of short) {
        const other = expected.cases.find(
          (one) => one.prompt !== null && JSON.stringify(one.options) === JSON.stringify(options),
        );
        if (!other) continue;
        const prompt = pictures.map((_, index) => (index % 2 === 0 ? "" : other.prompt!));
        const captions = await blip.caption(pictures, { ...NO_DEFAULTS, ...options, prompt });
        const count = rows.length / pictures.length;
        const wanted = pictures.flatMap((_, index) =>
          (index % 2 === 0 ? rows : other.texts).slice(index * count, (index + 1) * count),
        );
        assert.deepEqual(
          ids(captions),
          wanted.map(({ tokenIds }) => tokenIds),
          JSON.stringify(options),
        );
      }
    });
  });
}

describe("sampling", () => {
  const expected = fixture("blip");
  const pictures = images(expected);
  let blip: BlipModel;
  beforeAll(async () => {
    blip = await load("blip");
  });
  afterAll(() => blip.close());

  const SAMPLED: GenerationOptions = { doSample: true, temperature: 1.5, topK: 20, topP: 0.95, maxLength: 14 };

  it("draws tokens by the probabilities of transformers, and none that it leaves out", async () => {
    const DRAWS = 1000;
    for (const { options, chances } of expected.sampling!) {
      const captions = await blip.caption(pictures, {
        ...options,
        doSample: true,
        maxNewTokens: 1,
        numReturnSequences: DRAWS,
        seed: 2,
      });
      for (const [index, chance] of chances.entries()) {
        const counts = new Map<number, number>();
        for (const { tokenIds } of texts([captions[index]!]))
          counts.set(tokenIds[1]!, (counts.get(tokenIds[1]!) ?? 0) + 1);
        for (const token of counts.keys()) assert.ok(chance[token], `token ${token} cannot be drawn`);
        assertDrawnFrom(chance, counts, DRAWS, JSON.stringify(options));
      }
    }
  });

  it("draws beams without putting them back", async () => {
    // The two best of the first step, each pair by its probability.
    const DRAWS = 400;
    const { options, chances } = expected.sampling![2]!;
    const drawn = await Promise.all(
      Array.from({ length: DRAWS }, (_, seed) =>
        blip.caption(pictures.slice(0, 1), {
          ...options,
          doSample: true,
          numBeams: 2,
          numReturnSequences: 2,
          maxNewTokens: 1,
          seed,
        }),
      ),
    );
    const counts = new Map<string, number>();
    for (const [caption] of drawn) {
      const pair = texts([caption!]).map(({ tokenIds }) => tokenIds[1]!);
      const key = pair.sort((a, b) => a - b).join();
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    const pairs: Record<string, number> = {};
    const tokens = Object.entries(chances[0]!).map(([token, chance]) => [Number(token), chance] as const);
    for (const [a, p] of tokens)
      for (const [b, q] of tokens) if (a < b) pairs[`${a},${b}`] = (p * q) / (1 - p) + (q * p) / (1 - q);
    for (const pair of counts.keys()) assert.ok(pairs[pair], `${pair} cannot be drawn`);
    assertDrawnFrom(pairs, counts, DRAWS, "pairs");
  });

  for (const beams of [1, 3]) {
    const options: GenerationOptions = { ...SAMPLED, numBeams: beams, numReturnSequences: 2 };

    it(`gives the same texts for the same seed, whatever shares the batch, with ${beams} beams`, async () => {
      const first = await blip.caption(pictures, { ...options, seed: 11 });
      assert.deepEqual(await blip.caption(pictures, { ...options, seed: 11 }), first);
      const others = [1, 2, 3].map((seed) => blip.caption(pictures, { ...options, seed }));
      const alone = pictures.map((picture) => blip.caption([picture], { ...options, seed: 11 }));
      const results = (await Promise.all([...others, ...alone])).slice(others.length).flat();
      assert.deepEqual(ids(results), ids(first));
      assert.notDeepEqual(ids(await blip.caption(pictures, { ...options, seed: 12 })), ids(first));
    });
  }

  it("draws anew without a seed", async () => {
    const [first, second] = [await blip.caption(pictures, SAMPLED), await blip.caption(pictures, SAMPLED)];
    assert.notDeepEqual(ids(first), ids(second));
  });

  it("is greedy search where one token is left", async () => {
    const greedy = await blip.caption(pictures, { maxLength: 14 });
    for (const one of [{ topK: 1 }, { topP: 1e-6 }, { temperature: 1e-4 }]) {
      const captions = await blip.caption(pictures, { ...SAMPLED, temperature: 1, ...one });
      assert.deepEqual(ids(captions), ids(greedy), JSON.stringify(one));
    }
  });

  it("tells the log-probability of each draw in what it was drawn from", async () => {
    const { options, chances } = expected.sampling![4]!;
    const captions = await blip.caption(pictures, {
      ...options,
      doSample: true,
      maxNewTokens: 1,
      numReturnSequences: 5,
      seed: 3,
    });
    for (const [index, caption] of captions.entries()) {
      for (const { tokenIds, score } of texts([caption])) {
        assert.ok(Math.abs(Math.exp(score) - chances[index]![tokenIds[1]!]!) < 1e-4);
      }
    }
  });
});

/** Pearson's test, with a bound that one in a million honest runs exceeds: 5 standard deviations of chi-squared. */
function assertDrawnFrom<K extends string | number>(
  chances: Record<string, number>,
  counts: Map<K, number>,
  draws: number,
  what: string,
): void {
  const entries = Object.entries(chances);
  let statistic = 0;
  for (const [key, chance] of entries) {
    const count = [...counts].find(([drawn]) => String(drawn) === key)?.[1] ?? 0;
    statistic += (count - draws * chance) ** 2 / (draws * chance);
  }
  const freedom = entries.length - 1;
  assert.ok(statistic < freedom + 5 * Math.sqrt(2 * freedom) + 10, `${what}: chi-squared ${statistic} of ${freedom}`);
}
