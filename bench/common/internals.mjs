// What is below the public library, for figures of its parts. All that the benchmarks know of it is in this file.

import { readPreprocessorConfig } from "../../dist/checkpoint/preprocessor-config.js";
import { decodeImage } from "../../dist/input/decode.js";
import { openModel } from "../../dist/models/model-source.js";
import { native } from "../../dist/native/instance.js";
import { createClipTokenizer } from "../../dist/text/clip-tokenizer.js";

/** Decodes a picture as the library does; to interleaved RGB. */
export const decode = (input) => decodeImage(input);

/** A CLIP below the library: its weights on a device, and each step that a call goes through. */
export async function openClipParts(source, { device, dtype }) {
  const binding = native();
  const { place, description, extraFiles } = await openModel(binding, source, "clip", {});
  const plan = readPreprocessorConfig(extraFiles["preprocessor_config.json"], "clip", description.imageSize);
  const module = await place({ device, dtype, prepare: true });
  const { contextLength, padTokenId } = description;
  const tokenizer = createClipTokenizer(extraFiles["tokenizer.json"], extraFiles["tokenizer_config.json"] ?? "{}", {
    contextLength,
    padTokenId,
  });
  const { height, width, normalize } = plan;
  const runImages = (target, pixels) =>
    binding.encodeImages(target, { pixels, height, width, normalize }, true, { releaseCache: "after-call" });
  return {
    description,
    side: height,
    /** Pixels of any size to the model's. */
    resize: (image) => binding.preprocess(image.data, image.width, image.height, plan.resize),
    /** Texts to token ids, cut and padded. */
    tokenize: (texts) => tokenizer.pad(texts.map((text) => tokenizer.encode(text, { truncate: true }))),
    /** The forward as the engine calls it: uint8 pixels in host memory to vectors there. */
    forward: (pixels) => runImages(module, pixels),
    /** A forward that does nothing but what surrounds it: upload, normalisation, and a download of four numbers. */
    upload: await uploadOnly(binding, runImages, { device, dtype }),
    /** A matrix product of PRODUCT's size, which is what towers are made of, and as little as can be beside it. */
    product: await productOnly(binding, { device, dtype }),
    close: () => binding.unloadModule(module),
  };
}

async function uploadOnly(binding, runImages, placement) {
  const source = "def encode_image(self, pixel_values: Tensor) -> Tensor:\n    return pixel_values[:, 0, 0, :4]\n";
  const module = await binding.buildModule({ source, ints: {}, floats: {}, bools: {}, parameters: [] }, placement);
  return (pixels) => runImages(module, pixels);
}

/** Rows, inner size and columns of `product`: eight pictures' pixels, and ViT-B's widest layer. */
export const PRODUCT = { rows: 1568, inner: 768, columns: 3072 };

/** Numbers of PyTorch's types, as TorchScript writes them. */
const TYPES = { float32: 6, float16: 5, bfloat16: 15 };

async function productOnly(binding, placement) {
  const { inner, columns } = PRODUCT;
  const type = TYPES[placement.dtype];
  const source = `def encode_image(self, pixel_values: Tensor) -> Tensor:
    weight = torch.ones([${columns}, ${inner}], dtype=${type}${placement.device === "cpu" ? "" : ", device=pixel_values.device"})
    return torch.linear(pixel_values.view(-1, ${inner}).to(${type}), weight)[:8, :4]
`;
  const spec = { source, ints: {}, floats: {}, bools: {}, parameters: [] };
  const module = await binding.buildModule(spec, { ...placement, prepare: true });
  const pixels = Array.from({ length: 8 }, () => new Uint8Array(224 * 224 * 3));
  return () =>
    binding.encodeImages(module, { pixels, height: 224, width: 224, normalize: NO_CHANGE }, false, {
      releaseCache: "after-call",
    });
}

const NO_CHANGE = { scale: 1 / 255, mean: [0, 0, 0], std: [1, 1, 1] };

/** Counters of a device's allocator. */
export const deviceMemory = (device) => native().memory(device);
export const resetPeak = (device) => native().resetPeak(device);
