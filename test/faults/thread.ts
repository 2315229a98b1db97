/** A worker thread with both demo models, which does what it is told and says when it was done. */
import { parentPort } from "node:worker_threads";
import { demoPictures } from "../library/models.js";
import { withFaults } from "./addon.js";
import type { Answer, Task } from "./threads.js";

const { BlipModel, ClipModel } = await withFaults();
const clip = await ClipModel.load("demo", { device: "cpu", dtype: "float32" });
const blip = await BlipModel.load("demo", { device: "cpu", dtype: "float32" });

const answer = (message: Answer) => parentPort!.postMessage(message);

function run({ what, count }: Task): Promise<unknown> {
  if (what === "texts") return clip.encodeTexts(Array.from({ length: count }, (_, index) => `text number ${index}`));
  const pictures = Array.from({ length: count }, (_, index) => demoPictures[index % demoPictures.length]!);
  return what === "images" ? clip.encodeImages(pictures) : blip.caption(pictures);
}

parentPort!.on("message", async (task: Task) => {
  const running = run(task);
  answer({ id: task.id, step: "asked" });
  try {
    answer({ id: task.id, step: "done", value: await running });
  } catch (error) {
    answer({ id: task.id, step: "failed", code: (error as { code?: string }).code });
  }
});
answer({ id: -1, step: "asked" });
