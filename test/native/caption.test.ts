import assert from "node:assert/strict";
import { join } from "node:path";
import { before, test } from "node:test";
import { native } from "../../lib/native/instance.js";
import type { GenerationOptions, ModuleHandle, ModuleSpec } from "../../lib/native/types.js";
import { Checkpoint, CPU, plainPictures, RUN, rejects, temporaryFolder } from "./helpers.js";

const VOCABULARY = 12;
const END = 9;
const PAD = 0;
const OPTIONS: GenerationOptions = { maxLength: 10, minLength: 0, endTokenId: END, padTokenId: PAD };

/**
 * A BLIP whose words are known beforehand. The cache keeps the token ids themselves, as keys of one layer, head and
 * number, so that the tests see what was fed where; the picture's red value is added to each step.
 *
 * After token t comes t + 1 + red; the second best is t + 3 + red.
 */
function fakeBlipSpec(checkpoint: Checkpoint): ModuleSpec {
  return {
    source: `
def encode_image(self, pixel_values: Tensor) -> Tensor:
    return pixel_values.mean([2, 3])[:, :1].unsqueeze(1)

def project(self, states: Tensor) -> Tuple[Tensor, Tensor]:
    keys = states.unsqueeze(0).unsqueeze(2)
    return keys, keys

def decode(self, input_ids: Tensor, position: int, self_keys: Tensor, self_values: Tensor,
           cross_keys: Tensor, cross_values: Tensor) -> Tensor:
    length = input_ids.size(1)
    self_keys[0, :, 0, position:position + length, 0] = input_ids.to(self_keys.dtype)
    self_values[0, :, 0, position:position + length, 0] = input_ids.to(self_keys.dtype)
    assert length == 1 or position == 0, "several positions, and not at the start"
    last = self_keys[0, :, 0, position + length - 1, 0] + cross_keys[0, :, 0, 0, 0]
    logits = torch.zeros([input_ids.size(0), self.vocabulary], dtype=self_keys.dtype, device=self_keys.device)
    logits.scatter_(1, ((last + 3) % self.vocabulary).long().unsqueeze(1), 1.0)
    logits.scatter_(1, ((last + 1) % self.vocabulary).long().unsqueeze(1), 2.0)
    return logits * self.scale[0]
`,
    ints: { vocabulary: VOCABULARY, text_layers: 1, text_heads: 1, text_head_dim: 1 },
    floats: {},
    bools: {},
    parameters: [checkpoint.parameter("scale", [1], [1])],
  };
}

let blip: ModuleHandle;
const checkpoint = new Checkpoint(join(temporaryFolder(), "weights"));

before(async () => {
  blip = await native().buildModule(fakeBlipSpec(checkpoint), CPU);
});

async function caption(rows: { red: number; prompt: number[] }[], options: Partial<GenerationOptions> = {}) {
  const batch = plainPictures(rows.map(({ red }) => [red, 0, 0]));
  const prompts = rows.map(({ prompt }) => Int32Array.from(prompt));
  const result = await native().caption(blip, batch, prompts, { ...OPTIONS, ...options }, RUN);
  return { ...result, sequences: result.sequences.map((sequence) => [...sequence]) };
}

const row = (red: number, ...prompt: number[]) => ({ red, prompt });

/** log_softmax of the best logit. */
const total = Math.log(Math.exp(2) + Math.exp(1) + VOCABULARY - 2);
const BEST = 2 - total;

function close(actual: ArrayLike<number>, expected: number[]): void {
  assert.equal(actual.length, expected.length);
  for (const [i, value] of expected.entries()) {
    assert.ok(Math.abs(actual[i]! - value) < 1e-5, `${actual[i]} is not ${value}`);
  }
}

test("one row, to the end token", async () => {
  const { sequences, logProbabilities, peakBytes } = await caption([row(0, 5)]);
  assert.deepEqual(sequences, [[5, 6, 7, 8, 9]]);
  close(logProbabilities, [4 * BEST]);
  assert.ok(peakBytes > 0);
});

test("rows end at different steps, and each sees its own picture", async () => {
  const { sequences, logProbabilities } = await caption([row(0, 8), row(1, 1), row(0, 3), row(2, 0)]);
  assert.deepEqual(sequences, [
    [8, 9],
    [1, 3, 5, 7, 9],
    [3, 4, 5, 6, 7, 8, 9],
    [0, 3, 6, 9],
  ]);
  close(logProbabilities, [BEST, 4 * BEST, 6 * BEST, 3 * BEST]);
});

test("prompts of different lengths need no padding, and are not scored", async () => {
  const { sequences, logProbabilities } = await caption([
    row(0, 2, 4, 6),
    row(0, 7),
    row(0, 1, 1, 1, 1, 5),
    row(0, 2, 8),
  ]);
  assert.deepEqual(sequences, [
    [2, 4, 6, 7, 8, 9],
    [7, 8, 9],
    [1, 1, 1, 1, 5, 6, 7, 8, 9],
    [2, 8, 9],
  ]);
  close(logProbabilities, [3 * BEST, 2 * BEST, 4 * BEST, BEST]);
});

test("an end token in a prompt is a token like any other", async () => {
  assert.deepEqual((await caption([row(0, END, 7), row(0, 8)])).sequences, [
    [9, 7, 8, 9],
    [8, 9],
  ]);
});

test("maxLength counts the prompt and the end token", async () => {
  assert.deepEqual((await caption([row(0, 1), row(0, 7)], { maxLength: 4 })).sequences, [
    [1, 2, 3, 4],
    [7, 8, 9],
  ]);
  assert.deepEqual((await caption([row(0, 7)], { maxLength: 3 })).sequences, [[7, 8, 9]]);
  assert.deepEqual((await caption([row(0, 7)], { maxLength: 2 })).sequences, [[7, 8]]);
  assert.deepEqual((await caption([row(0, 1, 2, 3), row(0, 7)], { maxLength: 4 })).sequences, [
    [1, 2, 3, 4],
    [7, 8, 9],
  ]);
});

test("minLength keeps the end token back", async () => {
  // From 8 the best is END; kept back, the second best comes, whose probability has no END in it any more.
  const { sequences, logProbabilities } = await caption([row(0, 8)], { minLength: 3, maxLength: 5 });
  assert.deepEqual(sequences, [[8, 11, 0, 1, 2]]);
  const first = 1 - Math.log(Math.exp(1) + VOCABULARY - 2);
  const second = 2 - Math.log(Math.exp(2) + Math.exp(1) + VOCABULARY - 3);
  close(logProbabilities, [first + second + 2 * BEST]);
  // As transformers: kept back while the sequence so far is shorter than minLength.
  assert.deepEqual((await caption([row(0, 7)], { minLength: 2 })).sequences, [[7, 8, 9]]);
  assert.equal((await caption([row(0, 7)], { minLength: 3 })).sequences[0]![2], 11);
});

test("half precision takes the same tokens", async () => {
  const half = await native().buildModule(fakeBlipSpec(checkpoint), { device: "cpu", dtype: "bfloat16" });
  const prompts = [Int32Array.of(5), Int32Array.of(2, 6)];
  const result = await native().caption(
    half,
    plainPictures([
      [0, 0, 0],
      [0, 0, 0],
    ]),
    prompts,
    OPTIONS,
    RUN,
  );
  assert.deepEqual(
    result.sequences.map((ids) => [...ids]),
    [
      [5, 6, 7, 8, 9],
      [2, 6, 7, 8, 9],
    ],
  );
});

test("what does not fit is refused", async () => {
  await rejects(caption([row(0)]), "INVALID_ARGUMENT");
  await rejects(caption([row(0, 1, 2, 3)], { maxLength: 3 }), "INVALID_ARGUMENT", /3/);
  await rejects(caption([row(0, 1)], { maxLength: 1 }), "INVALID_ARGUMENT");
  await rejects(caption([row(0, 1)], { maxLength: 0 }), "INVALID_ARGUMENT");
  await rejects(caption([row(0, 1)], { minLength: -1 }), "INVALID_ARGUMENT");
  await rejects(caption([row(0, -1)]), "INVALID_ARGUMENT");
  await rejects(caption([row(0, 1)], { endTokenId: VOCABULARY }), "INVALID_ARGUMENT");
  await rejects(caption([row(0, 1)], { endTokenId: -1 }), "INVALID_ARGUMENT");
  const batch = plainPictures([[0, 0, 0]]);
  await rejects(native().caption(blip, batch, [], OPTIONS, RUN), "INVALID_ARGUMENT");
  await rejects(native().caption(blip, batch, [[1]] as never, OPTIONS, RUN), "INVALID_ARGUMENT");
  await rejects(
    native().caption(blip, batch, [Int32Array.of(1)], OPTIONS, { ...RUN, memoryLimit: 100 }),
    "OUT_OF_MEMORY",
  );
  const { ints, ...spec } = fakeBlipSpec(checkpoint);
  const { text_heads: _, ...fewer } = ints;
  const broken = await native().buildModule({ ...spec, ints: fewer as Record<string, number> }, CPU);
  await rejects(native().caption(broken, batch, [Int32Array.of(1)], OPTIONS, RUN), "MODEL_INVALID", /text_heads/);
});
