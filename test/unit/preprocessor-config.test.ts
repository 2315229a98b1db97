import assert from "node:assert/strict";
import { test } from "vitest";
import {
  assertModelSize,
  isModelInput,
  readPreprocessorConfig,
  resizePreprocessorConfig,
} from "../../lib/checkpoint/preprocessor-config.js";

const MEAN = [0.48145466, 0.4578275, 0.40821073];
const STD = [0.26862954, 0.26130258, 0.27577711];

const invalid = (message: RegExp) => ({ name: "ClipBlipError", code: "ERR_MODEL_INVALID", message });

function read(config: object, architecture: "clip" | "blip" = "clip", imageSize = architecture === "clip" ? 224 : 384) {
  return readPreprocessorConfig(JSON.stringify(config), architecture, imageSize);
}

const CLIP_PLAN = {
  resize: { resize: { shortestEdge: 224 }, resample: "bicubic", crop: { height: 224, width: 224 } },
  normalize: { scale: 1 / 255, mean: MEAN, std: STD },
  height: 224,
  width: 224,
};

const BLIP_PLAN = {
  resize: { resize: { height: 384, width: 384 }, resample: "bicubic", crop: null },
  normalize: { scale: 1 / 255, mean: MEAN, std: STD },
  height: 384,
  width: 384,
};

test("the older form of CLIP's file", () => {
  const config = {
    crop_size: 224,
    do_center_crop: true,
    do_normalize: true,
    do_resize: true,
    feature_extractor_type: "CLIPFeatureExtractor",
    image_mean: MEAN,
    image_std: STD,
    resample: 3,
    size: 224,
  };
  assert.deepEqual(read(config), CLIP_PLAN);
});

test("the newer form of CLIP's file", () => {
  const config = {
    crop_size: { height: 224, width: 224 },
    do_center_crop: true,
    do_convert_rgb: true,
    do_normalize: true,
    do_rescale: true,
    do_resize: true,
    image_mean: MEAN,
    image_processor_type: "CLIPImageProcessorFast",
    image_std: STD,
    resample: 3,
    rescale_factor: 0.00392156862745098,
    size: { shortest_edge: 224 },
  };
  assert.deepEqual(read(config), CLIP_PLAN);
});

test("BLIP's files, base and large", () => {
  const base = {
    do_normalize: true,
    do_resize: true,
    image_mean: MEAN,
    image_processor_type: "BlipImageProcessor",
    image_std: STD,
    processor_class: "BlipProcessor",
    resample: 3,
    size: { height: 384, width: 384 },
    size_divisor: 32,
  };
  assert.deepEqual(read(base, "blip"), BLIP_PLAN);
  const large = { ...base, do_pad: true, do_rescale: true, rescale_factor: 0.00392156862745098 };
  assert.deepEqual(read(large, "blip"), BLIP_PLAN);
});

test("what is left out or null comes from the processor that is named, or else from the architecture", () => {
  assert.deepEqual(read({}), CLIP_PLAN);
  assert.deepEqual(read({}, "blip"), BLIP_PLAN);
  assert.deepEqual(read({ image_processor_type: "SomethingElse", size: null, resample: null }, "blip"), BLIP_PLAN);
  assert.deepEqual(read({ image_processor_type: "CLIPImageProcessor" }, "blip", 224), CLIP_PLAN);
  assert.deepEqual(read({ image_processor_type: "BlipImageProcessorPil" }, "clip", 384), BLIP_PLAN);
});

test("every form of a size", () => {
  assert.deepEqual(read({ size: 336, crop_size: 336 }, "clip", 336).resize.resize, { shortestEdge: 336 });
  assert.deepEqual(read({ size: 224 }, "blip", 224).resize.resize, { height: 224, width: 224 });
  assert.deepEqual(read({ size: [224, 224] }).resize.resize, { height: 224, width: 224 });
  assert.deepEqual(read({ size: { height: 240, width: 230 } }).resize.resize, { height: 240, width: 230 });
  assert.deepEqual(read({ crop_size: [224, 224] }).resize.crop, { height: 224, width: 224 });
  assert.deepEqual(read({ size: { shortest_edge: 256, longest_edge: null } }).resize.resize, { shortestEdge: 256 });
});

test("the longer side can have a limit", () => {
  const size = { shortest_edge: 224, longest_edge: 300 };
  const plan = read({ size });
  assert.deepEqual(plan.resize.resize, { shortestEdge: 224, longestEdge: 300 });
  assert.ok(isModelInput(plan, 224, 224));
  assert.ok(!isModelInput(read({ size: { shortest_edge: 224, longest_edge: 200 } }), 224, 224));
  const resized = JSON.parse(resizePreprocessorConfig(JSON.stringify({ size }), "clip", 224, 336));
  assert.deepEqual(resized.size, { shortest_edge: 336, longest_edge: 450 });
});

test("resamplers are Pillow's numbers", () => {
  for (const [number, name] of ["nearest", "lanczos", "bilinear", "bicubic", "box", "hamming"].entries()) {
    assert.equal(read({ resample: number }).resize.resample, name);
  }
  for (const resample of [6, -1, 1.5, "3", "toString"]) {
    assert.throws(() => read({ resample }), invalid(/expected one of 0, 1, 2, 3, 4, 5 for "resample"/));
  }
});

test("each step can be switched off", () => {
  const plan = read({ do_rescale: false, do_normalize: false, do_resize: false });
  assert.deepEqual(plan.normalize, { scale: 1, mean: [0, 0, 0], std: [1, 1, 1] });
  assert.equal(plan.resize.resize, null);
  assert.deepEqual(read({ do_center_crop: false }).resize.crop, null);
  assert.equal(read({ do_resize: null }, "blip").resize.resize, null);
  assert.deepEqual(read({ image_mean: 0.5, image_std: 0.25 }).normalize.std, [0.25, 0.25, 0.25]);
  assert.equal(read({ rescale_factor: 0.5 }).normalize.scale, 0.5);
});

test("a size that can never be the model's is refused", () => {
  assert.throws(
    () => read({}, "clip", 336),
    invalid(/resizes pictures to 224 x 224 pixels, but the model takes 336 x 336/),
  );
  assert.throws(() => read({ size: { height: 384, width: 380 } }, "blip"), invalid(/384 x 380/));
  assert.throws(() => read({ do_center_crop: false, size: 256 }), invalid(/resizes pictures to 256 pixels/));
  read({ do_center_crop: false, size: 224 });
  read({ do_center_crop: false, do_resize: false });
});

test("a picture that is not brought to the model's size is refused when it comes", () => {
  const plan = read({ do_center_crop: false });
  assertModelSize(plan, 224, 224);
  const expected = { code: "ERR_INVALID_ARGUMENT", message: /has 300 x 224 pixels .* model takes 224 x 224/ };
  assert.throws(() => assertModelSize(plan, 300, 224), expected);
  assert.throws(() => assertModelSize(plan, 224, 300), { code: "ERR_INVALID_ARGUMENT" });
});

test("a picture of the model's size is its input only where the plan leaves every pixel as it is", () => {
  const cases: [object, ("clip" | "blip")?, number?][] = [[{}], [{ do_resize: false }], [{}, "blip", 384]];
  for (const [config, architecture, side = 224] of cases) {
    const plan = read(config, architecture, side);
    assert.ok(isModelInput(plan, side, side), JSON.stringify(config));
    assert.ok(!isModelInput(plan, side + 1, side) && !isModelInput(plan, side, side + 1));
  }
  // Enlarged first, then cut.
  assert.ok(!isModelInput(read({ size: 256 }), 224, 224));
  assert.ok(!isModelInput(read({ size: { height: 256, width: 224 } }), 224, 224));
});

test("malformed files are refused", () => {
  for (const text of ["", "{", "[]", "null", "7", '"x"']) {
    assert.throws(
      () => readPreprocessorConfig(text, "clip", 224),
      invalid(/is not valid JSON|expected a JSON object/),
      text,
    );
  }
  const wrong: object[] = [
    { do_resize: "yes" },
    { do_center_crop: 1 },
    { rescale_factor: 0 },
    { rescale_factor: "1/255" },
    { image_mean: [0.5, 0.5] },
    { image_mean: ["a", "b", "c"] },
    { image_std: [1, 0, 1] },
    { size: 0 },
    { size: -224 },
    { size: 22.4 },
    { size: "224" },
    { size: {} },
    { size: { shortest_edge: 224, longest_edge: "300" } },
    { size: { shortest_edge: 224, longest_edge: 0 } },
    { size: { height: 224, width: 224, longest_edge: 300 } },
    { size: { longest_edge: 224 } },
    { size: { height: 224 } },
    { size: { height: 224, width: "224" } },
    { size: [224] },
    { crop_size: { shortest_edge: 224 } },
  ];
  for (const config of wrong) {
    assert.throws(
      () => read(config),
      invalid(/^preprocessor_config\.json(?:: expected .* but found | has )./),
      JSON.stringify(config),
    );
  }
});
