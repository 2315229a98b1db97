// This library, by its public names; the bare binding only where a task is about what the library adds to it.
import { BlipModel, ClipModel, devices } from "clip-blip";
import { openClipParts } from "../../common/internals.mjs";
import { readPixels } from "../../common/pictures.mjs";
import { asNumbers, contend } from "./contend.mjs";
import { underLoad } from "./event-loop.mjs";
import { loadAndCall } from "./loading.mjs";

const facts = (model) => {
  const { dtype, device, libtorch, safeBatchSize } = model.capabilities();
  return { dtype, device, libtorch, safeBatchSize };
};

contend({
  "pixels to vectors": async ({ checkpoint, pixels, side, batch, device, dtype }) => {
    const model = await ClipModel.load(checkpoint, { device, dtype });
    const images = readPixels(pixels, side, batch);
    return { facts: facts(model), run: () => model.encodeImages(images), output: asNumbers };
  },

  "files to vectors": async ({ checkpoint, files, device, dtype }) => {
    const model = await ClipModel.load(checkpoint, { device, dtype });
    return { facts: facts(model), run: () => model.encodeImages(files), output: asNumbers };
  },

  captions: async ({ checkpoint, pixels, side, batch, tokens, device, dtype }) => {
    const model = await BlipModel.load(checkpoint, { device, dtype });
    const images = readPixels(pixels, side, batch);
    const run = () => model.caption(images, { maxLength: tokens, minLength: tokens });
    return { facts: facts(model), run, output: (captions) => captions.map(({ tokenIds }) => tokenIds) };
  },

  overhead: async ({ checkpoint, pixels, side, batch, device, dtype }) => {
    const model = await ClipModel.load(checkpoint, { device, dtype });
    const capabilities = facts(model);
    const bare = await openClipParts(checkpoint, capabilities);
    const images = readPixels(pixels, side, batch);
    const run = ({ variant }) =>
      variant === "binding" ? bare.forward(images.map(({ data }) => data)) : model.encodeImages(images);
    return { facts: capabilities, run };
  },

  "load and first call": async ({ archive, pixels, side, device, dtype }) => {
    const images = readPixels(pixels, side, 1);
    const run = async () => {
      const started = performance.now();
      devices();
      const libraries = performance.now() - started;
      const { parts } = await loadAndCall(
        () => ClipModel.load(archive, { device, dtype }),
        (model) => model.encodeImages(images),
      );
      return { parts: { ...parts, libraries, load: parts.load + libraries } };
    };
    return { run };
  },

  "event loop": async ({ checkpoint, files, seconds, device, dtype }) => {
    const model = await ClipModel.load(checkpoint, { device, dtype });
    const work = async () => (await model.encodeImages(files)).length;
    return { facts: facts(model), run: async () => ({ parts: await underLoad({ seconds, lanes: 4, work }) }) };
  },
});
