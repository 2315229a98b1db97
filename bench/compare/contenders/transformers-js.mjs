// transformers.js as its documentation uses it: read, process, one forward for all pictures of the call.
import { basename, dirname } from "node:path";
import { asNumbers, contend } from "./contend.mjs";
import { underLoad } from "./event-loop.mjs";
import { loadAndCall } from "./loading.mjs";
import { importPeer } from "./peer.mjs";

const { AutoProcessor, CLIPVisionModelWithProjection, env, RawImage } = await importPeer("@huggingface/transformers");
env.allowRemoteModels = false;
env.allowLocalModels = true;

async function load(checkpoint) {
  env.localModelPath = dirname(checkpoint);
  const name = basename(checkpoint);
  const [processor, model] = await Promise.all([
    AutoProcessor.from_pretrained(name),
    CLIPVisionModelWithProjection.from_pretrained(name, { dtype: "fp32" }),
  ]);
  return async (files) => {
    const images = await Promise.all(files.map((file) => RawImage.read(file)));
    const { image_embeds } = await model(await processor(images));
    return image_embeds.normalize().tolist();
  };
}

contend({
  "files to vectors": async ({ checkpoint, files }) => {
    const embed = await load(checkpoint);
    return { run: () => embed(files), output: asNumbers };
  },

  "load and first call": async ({ checkpoint, files }) => {
    const run = () =>
      loadAndCall(
        () => load(checkpoint),
        (embed) => embed(files.slice(0, 1)),
      );
    return { run };
  },

  "event loop": async ({ checkpoint, files, seconds }) => {
    const embed = await load(checkpoint);
    const work = async () => (await embed(files)).length;
    return { run: async () => ({ parts: await underLoad({ seconds, lanes: 1, work }) }) };
  },
});
