// A worker thread of the tests beside it: it loads the demo CLIP, makes a call, tells its result, and goes on with calls
// until it is terminated or, with `calls`, has made that many.
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parentPort, workerData } from "node:worker_threads";
import { ClipModel } from "clip-blip";

const pictures = fileURLToPath(new URL("../../models/demo-pictures/", import.meta.url));
const picture = pictures + readdirSync(pictures).find((name) => name.endsWith(".jpg"));

const model = await ClipModel.load("demo", { device: "cpu", dtype: "float32", maxBatchSize: 2 });
parentPort.postMessage((await model.encodeImages([picture]))[0]);
const { calls = Number.POSITIVE_INFINITY } = workerData ?? {};
for (let call = 1; call < calls; call++) {
  const results = await Promise.all([model.encodeImages([picture]), model.encodeTexts(["a red circle"])]);
  if (calls !== Number.POSITIVE_INFINITY) parentPort.postMessage(results[0][0]);
}
if (calls !== Number.POSITIVE_INFINITY) await model.close();
