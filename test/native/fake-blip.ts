import type { ModuleSpec, ParameterSpec } from "../../lib/native/types.js";
import type { Checkpoint } from "./helpers.js";

export const VOCABULARY = 12;
export const END = 9;
export const PAD = 0;

/** What chooses the words of {@link fakeBlipSpec}: after token t comes t + 1 + red; the second best is t + 3 + red. */
const COUNTING = `
    logits = torch.zeros([input_ids.size(0), self.vocab_size], dtype=self_keys.dtype, device=self_keys.device)
    logits.scatter_(1, ((last + red + 3) % self.vocab_size).long().unsqueeze(1), 1.0)
    logits.scatter_(1, ((last + red + 1) % self.vocab_size).long().unsqueeze(1), 2.0)
    return logits * self.scale[0]
`;

/** What chooses the words of {@link tableBlipSpec}. */
const TABLE = `
    return self.table.index_select(0, (last + red * self.vocab_size).long())
`;

/**
 * A BLIP whose words are known beforehand. The cache keeps the token ids themselves, as keys of one layer, head and
 * number, so that the tests see what was fed where; the picture's red value counts at each step.
 */
export function fakeBlipSpec(checkpoint: Checkpoint): ModuleSpec {
  return spec(COUNTING, checkpoint.parameter("scale", [1], [1]));
}

/** The same with scores of which no two are alike, for reds of 0 to `reds` - 1: no order is left to chance. */
export function tableBlipSpec(checkpoint: Checkpoint, reds: number): ModuleSpec {
  const count = reds * VOCABULARY ** 2;
  // In an order that looks like none; of roots no two sums are alike either. Texts shall come to an end.
  const score = (index: number) =>
    Math.sqrt(((index * 211) % (count + 1)) + 1) / 5 + (index % VOCABULARY === END ? 1 : 0);
  const scores = Array.from({ length: count }, (_, index) => score(index));
  return spec(TABLE, checkpoint.parameter("table", scores, [reds * VOCABULARY, VOCABULARY]));
}

function spec(choice: string, parameter: ParameterSpec): ModuleSpec {
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
    red = cross_keys[0, :, 0, 0, 0].repeat_interleave(input_ids.size(0) // cross_keys.size(1))
    last = self_keys[0, :, 0, position + length - 1, 0]
${choice}`,
    ints: { vocab_size: VOCABULARY, text_layers: 1, text_heads: 1, text_head_dim: 1 },
    floats: {},
    bools: {},
    parameters: [parameter],
  };
}
