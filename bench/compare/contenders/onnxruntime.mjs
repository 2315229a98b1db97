// onnxruntime-node on the CPU, at its defaults. It is given the normalised float32 tensor, which costs it nothing here.
import { join } from "node:path";
import { readPixels } from "../../common/pictures.mjs";
import { asNumbers, contend } from "./contend.mjs";
import { underLoad } from "./event-loop.mjs";
import { loadAndCall } from "./loading.mjs";
import { importPeer } from "./peer.mjs";

const { default: ort } = await importPeer("onnxruntime-node");

const MEAN = [0.48145466, 0.4578275, 0.40821073];
const STD = [0.26862954, 0.26130258, 0.27577711];

const createSession = (checkpoint) => ort.InferenceSession.create(join(checkpoint, "onnx", "vision_model.onnx"));

/** [batch, 3, side, side], normalised as CLIP's processor does. */
function inputOf(pixels, side, batch) {
  const plane = side * side;
  const values = new Float32Array(batch * 3 * plane);
  for (const [index, { data }] of readPixels(pixels, side, batch).entries()) {
    for (let channel = 0; channel < 3; channel++) {
      const start = (index * 3 + channel) * plane;
      for (let at = 0; at < plane; at++)
        values[start + at] = (data[at * 3 + channel] / 255 - MEAN[channel]) / STD[channel];
    }
  }
  return { pixel_values: new ort.Tensor("float32", values, [batch, 3, side, side]) };
}

function rows({ image_embeds: { data, dims } }) {
  return Array.from({ length: dims[0] }, (_, row) => {
    const vector = data.slice(row * dims[1], (row + 1) * dims[1]);
    const length = Math.hypot(...vector);
    return vector.map((value) => value / length);
  });
}

contend({
  "pixels to vectors": async ({ checkpoint, pixels, side, batch }) => {
    const session = await createSession(checkpoint);
    const input = inputOf(pixels, side, batch);
    return { run: () => session.run(input), output: (result) => asNumbers(rows(result)) };
  },

  "load and first call": async ({ checkpoint, pixels, side }) => {
    const input = inputOf(pixels, side, 1);
    const run = () =>
      loadAndCall(
        () => createSession(checkpoint),
        (session) => session.run(input),
      );
    return { run };
  },

  "event loop": async ({ checkpoint, pixels, side, seconds }) => {
    const session = await createSession(checkpoint);
    const input = inputOf(pixels, side, 8);
    const work = async () => (await session.run(input)).image_embeds.dims[0];
    return { run: async () => ({ parts: await underLoad({ seconds, lanes: 1, work }) }) };
  },
});
