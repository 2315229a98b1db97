// Coverage-guided fuzzing of the readers of files that nobody vouches for: whatever one holds, it is read, or refused with
// a coded error. The readers are instrumented; what they try begins with corpus/, and what reaches further code
// is kept and changed again. The JavaScript fuzzer with a binary on npm needs a newer glibc than Debian 12 has.
// CLIP_BLIP_FUZZ_KEEP=1 writes the least that reaches the same back into corpus/.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, it } from "vitest";
import { repositoryPath } from "../library/models.js";
import { fuzz, readCorpus } from "./guided/fuzz.js";
import { bundle } from "./guided/instrument.js";
import { SECONDS } from "./seconds.js";

const build = repositoryPath("build/fuzz");
const program = join(build, "readers.mjs");
const folder = mkdtempSync(join(tmpdir(), "clip-blip-fuzz-"));
afterAll(() => rmSync(folder, { recursive: true }));
beforeAll(() => bundle(repositoryPath("test/fuzz/guided/worker.ts"), program));

const seed = Number(process.env.CLIP_BLIP_FUZZ_SEED ?? Math.floor(Math.random() * 2 ** 31));

function write(to: string, input: Uint8Array): string {
  mkdirSync(to, { recursive: true });
  const file = join(to, createHash("sha256").update(input).digest("hex").slice(0, 12));
  writeFileSync(file, input);
  return file;
}

describe(`${SECONDS} s of coverage-guided fuzzing each`, () => {
  for (const target of [
    "safetensors-file",
    "safetensors-header",
    "pickle",
    "torch-file",
    "torch-pickle",
    "shard-index",
    "picture",
  ] as const) {
    it(target, async (t) => {
      const kept = repositoryPath(`test/fuzz/corpus/${target}`);
      const corpus = readCorpus(kept);
      const outcome = await fuzz(program, { target, folder, seed, seconds: SECONDS, corpus });
      const { runs, refused, counters, atStart, atEnd, crash } = outcome;
      t.annotate(`${runs} runs, ${refused} refused, ${atStart} to ${atEnd} of ${counters} counters, seed ${seed}`);
      if (crash) assert.fail(`${write(build, crash.input)}: ${crash.message}`);
      assert.ok(runs > 100 && refused > 0 && refused < runs);
      assert.ok(atStart > 50 && atEnd >= atStart);
      if (process.env.CLIP_BLIP_FUZZ_KEEP === undefined) return;
      rmSync(kept, { recursive: true, force: true });
      for (const input of outcome.corpus) write(kept, input);
    });
  }
});

describe("a reader with a bug", () => {
  const order = { target: "seeded-bug", folder, corpus: [Buffer.from("a picture")] } as const;

  it("behind eight bytes is caught, and blindly it is not in as many runs", async (t) => {
    for (const seed of [1, 2, 3]) {
      const guided = await fuzz(program, { ...order, seed, runs: 2_000_000 });
      t.annotate(`seed ${seed}: ${guided.runs} runs`);
      assert.match(guided.crash?.message ?? "", /the bug/);
      assert.match(Buffer.from(guided.crash!.input).toString("latin1"), /^clipblip/);
      const blind = await fuzz(program, { ...order, seed, runs: guided.runs, guided: false });
      assert.equal(blind.crash, undefined);
    }
  });

  it("that hangs, or takes all memory, is caught with what it was reading", async () => {
    for (const [target, message, hang] of [
      ["seeded-hang", /not read after 1000 ms/, 1000],
      // However long it takes to fill the heap.
      ["seeded-swelling", /memory/, undefined],
    ] as const) {
      const { crash } = await fuzz(program, { ...order, target, seed: 1, runs: 1 }, hang);
      assert.match(crash?.message ?? "", message);
      assert.equal(Buffer.from(crash!.input).toString(), "a picture");
    }
  });
});
