import assert from "node:assert/strict";
import { readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Tokenizer } from "@huggingface/tokenizers";
import { test } from "vitest";
import { parseDescription } from "../../lib/checkpoint/description.js";
import { openCheckpoint } from "../../lib/checkpoint/directory.js";
import { copyOf, editJson, fixture, openBlip, openClip, rejectsInvalid, rejectsWith } from "./support/checkpoint.js";

type Json = Record<string, unknown>;
const edit = (directory: string, change: (config: Json & { text_config: Json; vision_config: Json }) => void) =>
  editJson(join(directory, "config.json"), change as (config: Json) => void);

test("a CLIP checkpoint with the wrong end token of OpenAI's configurations", async () => {
  const { description, spec, extraFiles, warnings } = await openClip(fixture("clip-legacy"));
  const { logitScale, ...rest } = description;
  assert.deepEqual(rest, {
    formatVersion: 1,
    architecture: "clip",
    imageSize: 16,
    patchSize: 4,
    contextLength: 12,
    vocabularySize: 24,
    startTokenId: 22,
    endTokenId: 23,
    padTokenId: 23,
    weightsDtype: "float32",
    dimension: 10,
  });
  assert.ok(Math.abs(logitScale! - 14.285) < 3, `${logitScale}`);
  assert.deepEqual(warnings, []);
  assert.deepEqual(spec.ints, {
    vision_layers: 3,
    vision_heads: 3,
    patch_size: 4,
    grid_side: 4,
    summary_tokens: 1,
    text_layers: 2,
    text_heads: 2,
    end_token_id: 23,
    vocab_size: 24,
  });
  assert.deepEqual(spec.floats, { vision_epsilon: 1e-5, text_epsilon: 1e-5 });
  assert.deepEqual(spec.bools, { vision_causal: false, text_causal: true, end_is_largest_id: true });
  assert.match(spec.source, /def encode_image\(self/);
  assert.match(
    spec.source,
    /def text_activation\(self, x: Tensor\) -> Tensor:\n {4}return x \* torch\.sigmoid\(1\.702 \* x\)/,
  );
  const qkv = spec.parameters.find(({ name }) => name === "vision_qkv_weight")!;
  assert.deepEqual(
    [qkv.layers.length, qkv.layers[0]!.length, qkv.layers[0]![0]!.shape, qkv.stacked],
    [3, 3, [12, 12], true],
  );
  assert.deepEqual(Object.keys(extraFiles).sort(), [
    "clip-blip.json",
    "preprocessor_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
  ]);
  assert.deepEqual(parseDescription(extraFiles["clip-blip.json"]!), description);
  assert.equal(
    extraFiles["preprocessor_config.json"],
    readFileSync(fixture("clip-legacy/preprocessor_config.json"), "utf8"),
  );
});

test("a CLIP checkpoint with an end token of its own, in float16", async () => {
  const { description, spec } = await openCheckpoint(fixture("clip-end-id"));
  assert.equal(description.endTokenId, 15);
  assert.equal(description.weightsDtype, "float16");
  // The tokenizer pads with 23, which only the largest-id rule would mistake for the end.
  assert.deepEqual(spec.bools, { vision_causal: false, text_causal: true, end_is_largest_id: false });
  assert.equal(spec.floats.text_epsilon, 1e-6);
  assert.match(spec.source, /return torch\.gelu\(x\)/);
});

test("BLIP checkpoints, with and without an output table of their own", async () => {
  const tied = await openBlip(fixture("blip"));
  assert.deepEqual(
    [
      tied.description.startTokenId,
      tied.description.endTokenId,
      tied.description.padTokenId,
      tied.description.contextLength,
    ],
    [38, 3, 0, 24],
  );
  assert.ok(!("dimension" in tied.description));
  assert.deepEqual([tied.description.generation.maxLength, tied.description.generation.numBeams], [20, 1]);
  assert.deepEqual(tied.spec.ints.text_head_dim, 4);
  assert.match(tied.spec.source, /return self\.text_embedding/);
  assert.ok("generation_config.json" in tied.extraFiles);

  const untied = await openBlip(fixture("blip-untied"));
  assert.match(untied.spec.source, /return self\.output_table/);
  // Generation options of a checkpoint of 2022, in the text part of config.json.
  const { maxLength, minLength, numBeams } = untied.description.generation;
  assert.deepEqual([maxLength, minLength, numBeams], [14, 2, 3]);
});

test("BLIP checkpoints for questions and for matching", async (t) => {
  const question = await openBlip(fixture("blip-question"));
  assert.equal(question.description.task, "question-answering");
  const { description } = await openCheckpoint(fixture("blip-matching"));
  assert.ok(description.architecture === "blip" && description.task === "image-text-matching");
  assert.ok(!("generation" in description));

  const directory = copyOf(t, "blip-question");
  edit(directory, (config) => Object.assign(config.vision_config, { hidden_size: 16 }));
  await rejectsInvalid(openCheckpoint(directory), /towers of equal width, but these are 16 and 12 wide/);
});

test("generation_config.json goes before the text part of config.json", async (t) => {
  const directory = copyOf(t, "blip-untied");
  writeFileSync(join(directory, "generation_config.json"), JSON.stringify({ max_length: 9, top_p: 0.5 }));
  const { generation } = (await openBlip(directory)).description;
  assert.deepEqual([generation.maxLength, generation.minLength, generation.topP], [9, 2, 0.5]);
  const config = { max_new_tokens: 5, min_new_tokens: 3, num_beam_groups: 1, bad_words_ids: [], suppress_tokens: [7] };
  writeFileSync(join(directory, "generation_config.json"), JSON.stringify(config));
  const { description, warnings } = await openBlip(directory);
  assert.deepEqual([description.generation.maxNewTokens, description.generation.minNewTokens], [5, 3]);
  assert.equal(warnings.length, 1);
  assert.match(warnings[0]!, /^generation_config\.json sets suppress_tokens, which this package does not apply/);
  writeFileSync(join(directory, "generation_config.json"), JSON.stringify({ max_length: "long" }));
  await rejectsInvalid(openCheckpoint(directory), /generation_config\.json.*"max_length".*"\\"long\\""/);
});

test("an output table with the same numbers as the embedding is kept once", async (t) => {
  const directory = copyOf(t, "blip");
  const path = join(directory, "model.safetensors");
  const bytes = readFileSync(path);
  const headerBytes = Number(bytes.readBigUInt64LE());
  const header = JSON.parse(bytes.subarray(8, 8 + headerBytes).toString());
  const data = bytes.subarray(8 + headerBytes);
  const [begin, end] = header["text_decoder.bert.embeddings.word_embeddings.weight"].data_offsets;
  header["text_decoder.cls.predictions.decoder.weight"] = {
    dtype: "F32",
    shape: [40, 8],
    data_offsets: [data.length, data.length + end - begin],
  };
  const text = Buffer.from(JSON.stringify(header));
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(text.length));
  writeFileSync(path, Buffer.concat([prefix, text, data, data.subarray(begin, end)]));
  assert.match((await openCheckpoint(directory)).spec.source, /return self\.text_embedding/);
});

test("missing keys have the class defaults of transformers", async (t) => {
  const directory = copyOf(t, "clip-legacy");
  edit(directory, (config) => {
    config.text_config = {};
  });
  await rejectsInvalid(openCheckpoint(directory), /"eos_token_id"|shape \[24, 8\].*\[49408, 512\]/);
  edit(directory, (config) => {
    config.text_config = { vocab_size: 49408, eos_token_id: 2 };
  });
  await rejectsInvalid(openCheckpoint(directory), /token_embedding.*shape \[24, 8\].*\[49408, 512\]/);
});

test("the second copy of a tower's configuration replaces the first", async (t) => {
  const directory = copyOf(t, "clip-legacy");
  edit(directory, (config) => {
    config.vision_config_dict = config.vision_config;
    config.text_config_dict = null;
    config.vision_config = { hidden_size: 4096 };
  });
  assert.equal((await openCheckpoint(directory)).description.imageSize, 16);
});

test("kinds of activation", async (t) => {
  const directory = copyOf(t, "clip-legacy");
  for (const [name, expected] of [
    ["gelu_new", 'approximate="tanh"'],
    ["gelu_fast", 'approximate="tanh"'],
    ["gelu_accurate", 'approximate="tanh"'],
    ["gelu_python_tanh", 'approximate="tanh"'],
    ["gelu_pytorch_tanh", 'approximate="tanh"'],
    ["gelu_python", "torch.gelu(x)"],
    ["gelu", "torch.gelu(x)"],
    ["swish", "torch.silu(x)"],
    ["silu", "torch.silu(x)"],
  ] as const) {
    edit(directory, (config) => {
      config.vision_config.hidden_act = name;
    });
    assert.ok((await openCheckpoint(directory)).spec.source.includes(expected));
  }
  edit(directory, (config) => {
    config.vision_config.hidden_act = "__proto__";
  });
  await rejectsInvalid(
    openCheckpoint(directory),
    /hidden_act "__proto__" is not supported; supported are gelu, quick_gelu/,
  );
});

test("what is not supported is said to be so, with what is", async (t) => {
  const directory = copyOf(t, "blip");
  for (const [type, classes] of [
    ["blip", ["BlipModel"]],
    ["siglip2", ["Siglip2Model"]],
    ["siglip", ["SiglipForImageClassification"]],
    ["clip_vision_model", ["CLIPVisionModel"]],
    [undefined, []],
  ] as const) {
    edit(directory, (config) => {
      config.model_type = type;
      config.architectures = classes;
    });
    await rejectsInvalid(
      openCheckpoint(directory),
      /not supported. Supported are CLIPModel \(.*\), .*BlipForConditionalGeneration/,
    );
  }
});

test("8 heads in BLIP's decoder are an old mistake and give a warning", async (t) => {
  const directory = copyOf(t, "blip");
  widenDecoder(join(directory, "model.safetensors"), 768);
  for (const [heads, count] of [
    [8, 1],
    [undefined, 1],
    [12, 0],
  ] as const) {
    edit(directory, (config) => {
      Object.assign(config.text_config, { hidden_size: 768, num_attention_heads: heads });
    });
    const { warnings } = await openCheckpoint(directory);
    assert.equal(warnings.length, count);
    if (count > 0) assert.match(warnings[0]!, /8 attention heads .* has 12.*"num_attention_heads": 12/);
  }
});

/** Makes the decoder of the fixture `width` wide. Only the header is written: the file has no data blocks. */
function widenDecoder(path: string, width: number): void {
  const bytes = readFileSync(path);
  const header = JSON.parse(bytes.subarray(8, 8 + Number(bytes.readBigUInt64LE())).toString());
  let end = 0;
  for (const [name, entry] of Object.entries<{ shape: number[]; data_offsets: number[] }>(header)) {
    if (name === "__metadata__") continue;
    if (name.startsWith("text_decoder.")) entry.shape = entry.shape.map((size) => (size === 8 ? width : size));
    const begin = end;
    end += 4 * entry.shape.reduce((product, size) => product * size, 1);
    entry.data_offsets = [begin, end];
  }
  const text = Buffer.from(JSON.stringify(header));
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(text.length));
  writeFileSync(path, Buffer.concat([prefix, text]));
  truncateSync(path, prefix.length + text.length + end);
}

test("wrong configurations are refused by key", async (t) => {
  const cases: [string, (config: Json & { text_config: Json; vision_config: Json }) => void, RegExp][] = [
    [
      "clip-legacy",
      (c) => Object.assign(c.text_config, { num_attention_heads: 3 }),
      /8 is not a multiple of num_attention_heads 3/,
    ],
    [
      "clip-legacy",
      (c) => Object.assign(c.text_config, { num_hidden_layers: 9 }),
      /layers\.2\.layer_norm1\.weight" of shape \[8\] is missing/,
    ],
    ["clip-legacy", (c) => Object.assign(c.text_config, { num_hidden_layers: 0 }), /"num_hidden_layers"/],
    ["clip-legacy", (c) => Object.assign(c.text_config, { num_hidden_layers: 1e9 }), /is missing/],
    ["clip-legacy", (c) => Object.assign(c.text_config, { eos_token_id: [2, 3] }), /"eos_token_id"/],
    [
      "clip-legacy",
      (c) => Object.assign(c.text_config, { eos_token_id: 24 }),
      /from 0 to 23 for "eos_token_id" but found "24"/,
    ],
    ["clip-legacy", (c) => Object.assign(c.vision_config, { image_size: [16, 20] }), /"image_size"/],
    ["clip-legacy", (c) => Object.assign(c.vision_config, { patch_size: 0 }), /"patch_size"/],
    ["clip-legacy", (c) => Object.assign(c.vision_config, { patch_size: 17 }), /larger than image_size/],
    ["clip-legacy", (c) => Object.assign(c.vision_config, { image_size: 20 }), /shape \[17, 12\].*\[26, 12\]/],
    ["clip-legacy", (c) => Object.assign(c.vision_config, { num_channels: 4 }), /"num_channels"/],
    ["clip-legacy", (c) => Object.assign(c, { projection_dim: "10" }), /"projection_dim"/],
    ["clip-legacy", (c) => Object.assign(c, { vision_config: [] }), /"vision_config": expected a JSON object/],
    ["blip", (c) => Object.assign(c.text_config, { sep_token_id: 99 }), /"sep_token_id"/],
    ["blip", (c) => Object.assign(c.text_config, { layer_norm_eps: "small" }), /"layer_norm_eps"/],
  ];
  for (const [name, change, message] of cases) {
    const directory = copyOf(t, name);
    edit(directory, (config) => void change(config));
    await rejectsInvalid(openCheckpoint(directory), message);
  }
  const square = copyOf(t, "clip-legacy");
  edit(square, (config) => void Object.assign(config.vision_config, { image_size: [16, 16] }));
  assert.equal((await openCheckpoint(square)).description.imageSize, 16);
});

test("a tokenizer of another model is noticed", async (t) => {
  const directory = copyOf(t, "clip-legacy");
  editJson(join(directory, "vocab.json"), (vocabulary) => {
    vocabulary["<|endoftext|>"] = 49407;
  });
  await rejectsInvalid(openCheckpoint(directory), /eos_token the id 49407, but the model has only 24 tokens/);
});

test("missing files are named", async (t) => {
  await rejectsWith("ERR_MODEL_NOT_FOUND", openCheckpoint(fixture("nowhere")), /no checkpoint directory .*nowhere/);
  await rejectsInvalid(openCheckpoint(fixture("tensors.bin")), /is not a directory/);
  for (const [name, file, message] of [
    ["clip-legacy", "config.json", /no config\.json/],
    ["clip-legacy", "preprocessor_config.json", /no preprocessor_config\.json/],
    ["clip-legacy", "model.safetensors", /no weights/],
    ["clip-legacy", "merges.txt", /no tokenizer\.json, nor the vocab\.json and merges\.txt/],
    ["blip", "vocab.txt", /no tokenizer\.json, nor the vocab\.txt/],
  ] as const) {
    const directory = copyOf(t, name);
    rmSync(join(directory, file));
    await rejectsInvalid(openCheckpoint(directory), message);
  }
});

test("text files that are no JSON are named", async (t) => {
  for (const file of ["config.json", "tokenizer_config.json", "tokenizer.json", "generation_config.json"]) {
    const directory = copyOf(t, "blip");
    writeFileSync(join(directory, file), "{");
    await rejectsInvalid(openCheckpoint(directory), new RegExp(`${file.replace(".", "\\.")} is not valid JSON`));
  }
});

test("the preprocessing of checkpoints saved by transformers 5 is found", async (t) => {
  const directory = copyOf(t, "clip-legacy");
  const old = join(directory, "preprocessor_config.json");
  const values = JSON.parse(readFileSync(old, "utf8"));
  renameSync(old, join(directory, "processor_config.json"));
  editJson(join(directory, "processor_config.json"), (whole) => {
    for (const key of Object.keys(whole)) delete whole[key];
    Object.assign(whole, { image_processor: values, processor_class: "CLIPProcessor" });
  });
  const { extraFiles } = await openCheckpoint(directory);
  assert.deepEqual(JSON.parse(extraFiles["preprocessor_config.json"]!), values);
});

test("tokenizers made from vocabulary files work", async () => {
  const encode = async (name: string, text: string) => {
    const { extraFiles } = await openCheckpoint(fixture(name));
    const tokenizer = new Tokenizer(
      JSON.parse(extraFiles["tokenizer.json"]!),
      JSON.parse(extraFiles["tokenizer_config.json"]!),
    );
    return tokenizer.encode(text).ids;
  };
  // Ids as CLIPTokenizerFast and BertTokenizerFast of transformers give them.
  assert.deepEqual(await encode("clip-legacy", "AB  c!a"), [22, 8, 7, 4, 5, 23]);
  assert.deepEqual(await encode("blip", "Word7 word0 nothing"), [2, 12, 5, 1, 3]);
});
