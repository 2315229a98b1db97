import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "vitest";
import { native } from "../../lib/native/instance.js";
import type { ModelDtype, ModuleSpec, ParameterSpec } from "../../lib/native/types.js";
import { repositoryPath } from "../library/models.js";
import { Checkpoint, CPU, plainPictures, RUN, rejects, temporaryFolder, tinyClipSpec } from "./helpers.js";

// What "prepare" changes is how fast a module is, and nothing else: each test runs a module both ways.

const folder = temporaryFolder();
const checkpoint = new Checkpoint(join(folder, "weights"));

/** The same numbers in every run: sines of growing angles, between -1 and 1. */
const sines = (count: number, step: number) => Array.from({ length: count }, (_, i) => Math.sin((i + 1) * step));

function parameter(name: string, shape: number[], step: number): ParameterSpec {
  const count = shape.reduce((product, size) => product * size, 1);
  return checkpoint.parameter(name, sines(count, step), shape);
}

function spec(source: string, parameters: ParameterSpec[], ints: Record<string, number> = {}): ModuleSpec {
  return { source, ints, floats: {}, bools: {}, parameters };
}

/** The largest difference between the two, over the largest number. */
async function difference(module: ModuleSpec, ids: Int32Array, rows: number, dtype: ModelDtype = "float32") {
  const { buildModule, encodeTexts, unloadModule } = native();
  const plain = await buildModule(module, { device: "cpu", dtype });
  const prepared = await buildModule(module, { device: "cpu", dtype, prepare: true });
  const [a, b] = [await encodeTexts(plain, ids, rows, false, RUN), await encodeTexts(prepared, ids, rows, false, RUN)];
  await Promise.all([plain, prepared].map(unloadModule));
  assert.equal(a.dimension, b.dimension);
  const largest = a.data.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  assert.ok(largest > 0.01, "the module says something");
  return a.data.reduce((most, value, i) => Math.max(most, Math.abs(value - b.data[i]!)), 0) / largest;
}

const ids = (rows: number, tokens: number) => Int32Array.from({ length: rows * tokens }, (_, i) => (i * 7) % 40);

const HEADS = 3;

/** Attention among `tokens` tokens, and of the first alone to all of them. */
function attentionSpec(width: number, causal: boolean): ModuleSpec {
  const python = causal ? "True" : "False";
  return spec(
    `
def encode_text(self, input_ids: Tensor) -> Tensor:
    x = torch.embedding(self.table, input_ids)
    x = x.view(x.size(0), x.size(1), 3, ${HEADS}, -1).permute(2, 0, 3, 1, 4)
    every = torch.scaled_dot_product_attention(x[0], x[1], x[2], None, 0.0, ${python})
    first = torch.scaled_dot_product_attention(x[0][:, :, :1], x[1], x[2])
    return torch.cat([every.transpose(1, 2).flatten(1), first.transpose(1, 2).flatten(1)], 1)
`,
    [parameter("table", [40, 3 * HEADS * width], 0.7)],
  );
}

for (const dtype of ["float32", "bfloat16", "float16"] as const) {
  const tolerance = { float32: 1e-5, bfloat16: 0.02, float16: 0.003 }[dtype];
  test(`attention is LibTorch's, ${dtype}`, async () => {
    for (const width of [8, 32, 64, 80]) {
      for (const tokens of [1, 5, 33, 64, 65, 130, 577]) {
        for (const causal of [false, true]) {
          const found = await difference(attentionSpec(width, causal), ids(2, tokens), 2, dtype);
          assert.ok(found < tolerance, `width ${width}, ${tokens} tokens, causal ${causal}: ${found}`);
        }
      }
    }
  });

  test(`layers and their activations are LibTorch's, ${dtype}`, async () => {
    for (const activation of [
      "h",
      "h * torch.sigmoid(1.702 * h)",
      "torch.sigmoid(1.702 * h) * h",
      "torch.gelu(h)",
      'torch.gelu(h, approximate="tanh")',
      "torch.relu(h)",
      "torch.silu(h)",
      "torch.tanh(h)",
    ]) {
      const module = spec(
        `
def encode_text(self, input_ids: Tensor) -> Tensor:
    return self.encode(torch.embedding(self.table, input_ids)).flatten(1)

# A method that another one calls has its weights packed, too, and they are the same ones.
def encode(self, x: Tensor) -> Tensor:
    for i in range(self.layers):
        h = torch.linear(x, self.up[i], self.up_bias[i])
        h = ${activation}
        x = x + torch.linear(h, self.down[i])
    return x
`,
        [
          parameter("table", [40, 24], 0.3),
          parameter("up", [3, 40, 24], 0.9),
          parameter("up_bias", [3, 40], 1.1),
          parameter("down", [3, 24, 40], 0.5),
        ],
        { layers: 3 },
      );
      for (const rows of [1, 9]) {
        const found = await difference(module, ids(rows, 4), rows, dtype);
        assert.ok(found < 3 * tolerance, `${activation}, ${rows} rows: ${found}`);
      }
    }
  });

  test(`sums with a layer's output are LibTorch's, ${dtype}`, async () => {
    for (const sum of [
      "h + x",
      "x + h",
      "torch.add(h, x, alpha=2)",
      "torch.add(x, h, alpha=0.5)",
      "h + self.position", // spread over rows
      "self.position + h",
      "h + x[:, :1]",
      "h + x.transpose(0, 1).contiguous().transpose(0, 1)", // other strides
      "h + x.float()",
      "h + 1",
      "h + h",
      "(h + x) * h", // the output is read twice
      "h[:, 0] + x[:, 1]",
    ]) {
      const module = spec(
        `
def encode_text(self, input_ids: Tensor) -> Tensor:
    x = torch.embedding(self.table, input_ids)
    h = torch.linear(x, self.weight, self.bias)
    return (${sum}).flatten(1)
`,
        [
          parameter("table", [40, 24], 0.3),
          parameter("weight", [24, 24], 0.9),
          parameter("bias", [24], 1.1),
          parameter("position", [4, 24], 0.7),
        ],
      );
      for (const rows of [1, 9]) {
        const found = await difference(module, ids(rows, 4), rows, dtype);
        assert.ok(found < 3 * tolerance, `${sum}, ${rows} rows: ${found}`);
      }
    }
  });

  test(`a layer does not move behind what changes its input, ${dtype}`, async () => {
    const source = `
def encode_text(self, input_ids: Tensor) -> Tensor:
    x = torch.embedding(self.table, input_ids)
    y = x * 2
    h = torch.linear(x, self.weight)
    torch.add_(x, 5)
    return torch.cat([(h + y).flatten(1), x.flatten(1)], 1)
`;
    const module = spec(source, [parameter("table", [40, 24], 0.3), parameter("weight", [24, 24], 0.9)]);
    const found = await difference(module, ids(3, 4), 3, dtype);
    assert.ok(found < 3 * tolerance, String(found));
  });
}

test("patches become vectors as by LibTorch's convolution", async () => {
  const { buildModule, encodeImages, unloadModule } = native();
  for (const dtype of ["float32", "bfloat16"] as const) {
    for (const bias of ["None", "self.bias"]) {
      const module = spec(
        `
def encode_image(self, pixel_values: Tensor) -> Tensor:
    x = torch.conv2d(pixel_values.to(self.weight.dtype), self.weight, ${bias}, [3, 3])
    return (x.flatten(2).transpose(1, 2) + x.size(3)).flatten(1)
`,
        [parameter("weight", [16, 3, 3, 3], 0.3), parameter("bias", [16], 0.8)],
      );
      const batch = { ...plainPictures([[1, 2, 3]], 7, 10) };
      batch.pixels = [0, 1].map((n) => Uint8Array.from({ length: 210 }, (_, i) => (i * 37 + n * 11) % 256));
      batch.normalize = { scale: 1 / 255, mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] };
      const plain = await buildModule(module, { ...CPU, dtype });
      const prepared = await buildModule(module, { ...CPU, dtype, prepare: true });
      const [a, b] = [await encodeImages(plain, batch, false, RUN), await encodeImages(prepared, batch, false, RUN)];
      assert.equal(a.dimension, 2 * 3 * 16);
      assert.equal(b.data.length, a.data.length);
      const tolerance = dtype === "float32" ? 1e-5 : 0.1;
      for (const [i, value] of a.data.entries()) assert.ok(Math.abs(value - b.data[i]!) < tolerance, `${dtype} ${i}`);
      await Promise.all([plain, prepared].map(unloadModule));
    }
  }
});

test("a QuickGELU whose result is used twice keeps its scale", async () => {
  const module = spec(
    `
def encode_text(self, input_ids: Tensor) -> Tensor:
    h = torch.linear(torch.embedding(self.table, input_ids), self.up)
    h = h * torch.sigmoid(1.702 * h)
    return (torch.linear(h, self.down) + h.mean()).flatten(1)
`,
    [parameter("table", [40, 16], 0.3), parameter("up", [32, 16], 0.9), parameter("down", [16, 32], 0.5)],
  );
  assert.ok((await difference(module, ids(2, 3), 2)) < 1e-5);
});

test("a weight that two methods share, and one that is also a table", async () => {
  const { buildModule, encodeImages, encodeTexts, unloadModule } = native();
  const module = spec(
    `
def encode_image(self, pixel_values: Tensor) -> Tensor:
    return torch.linear(pixel_values.mean([2, 3]), self.shared)

def encode_text(self, input_ids: Tensor) -> Tensor:
    return torch.linear(torch.embedding(self.shared, input_ids).sum(1), self.shared)
`,
    [parameter("shared", [40, 3], 0.3)],
  );
  const plain = await buildModule(module, CPU);
  const prepared = await buildModule(module, { ...CPU, prepare: true });
  const close = (a: Float32Array, b: Float32Array) => {
    assert.equal(a.length, 40);
    for (const [i, value] of a.entries()) assert.ok(Math.abs(value - b[i]!) <= 1e-4 * Math.max(1, Math.abs(value)));
  };
  const pictures = plainPictures([[10, 20, 250]]);
  close(
    (await encodeImages(plain, pictures, false, RUN)).data,
    (await encodeImages(prepared, pictures, false, RUN)).data,
  );
  close(
    (await encodeTexts(plain, ids(1, 5), 1, false, RUN)).data,
    (await encodeTexts(prepared, ids(1, 5), 1, false, RUN)).data,
  );
  await Promise.all([plain, prepared].map(unloadModule));
});

test("a prepared module cannot be saved", async () => {
  const { buildModule, saveModule, unloadModule } = native();
  const module = await buildModule(tinyClipSpec(checkpoint), { ...CPU, prepare: true });
  await rejects(saveModule(module, join(folder, "out.pt"), {}), "INVALID_ARGUMENT", /prepared/);
  await unloadModule(module);
});

test("a prepared module leaves nothing behind", async () => {
  const { buildModule, encodeTexts, memory, unloadModule } = native();
  const before = memory("cpu").allocated;
  const module = await buildModule(attentionSpec(64, true), { ...CPU, prepare: true });
  await encodeTexts(module, ids(2, 65), 2, false, RUN);
  assert.ok(memory("cpu").allocated > before);
  await unloadModule(module);
  assert.equal(memory("cpu").allocated, before);
});

test("the addon's own loops run on LibTorch's threads, and it brings no OpenMP of its own", () => {
  // Without OpenMP at::parallel_for compiles to a plain loop, which nothing but a clock shows.
  const addon = readFileSync(repositoryPath("build/Release/clip_blip_torch.so"));
  assert.ok(addon.includes("GOMP_parallel") || addon.includes("__kmpc_fork_call"));
  assert.ok(!/lib(?:g|i)?omp[\w-]*\.so/.test(addon.toString("latin1")));
});
