import { ClipModel, cosineSimilarity } from "clip-blip";
import { inputsOf, pictures } from "../inputs.mjs";
import { figure, settings } from "../settings.mjs";

const told = settings();
for (const model of ["clip-b32", "clip-l14"]) {
  const inputs = await inputsOf(model, told);
  const images = pictures(inputs, 8);
  const vectors = async (dtype) => {
    const clip = await ClipModel.load(inputs.directory, { device: told.device, dtype });
    const result = { rows: await clip.encodeImages(images), dtype: clip.capabilities().dtype };
    await clip.close();
    return result;
  };
  const exact = await vectors("float32");
  const fast = await vectors("auto");
  const cosine = Math.min(...fast.rows.map((row, index) => cosineSimilarity(row, exact.rows[index])));
  figure({ kind: "fidelity", model, dtype: fast.dtype, cosine });
}
