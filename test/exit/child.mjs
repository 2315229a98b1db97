// A process of exit-matrix.test.ts: `node child.mjs <way> <state> <delay>`. It brings a model into a state, says so with
// "reached", and then leaves in one way. In a worker thread it does only the first half.
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { ClipModel } from "clip-blip";

const [way, state, delay] = isMainThread ? process.argv.slice(2) : [undefined, ...workerData];
const pictures = fileURLToPath(new URL("../../models/demo-pictures/", import.meta.url));
const picture = pictures + readdirSync(pictures).find((name) => name.endsWith(".jpg"));

/** A failure because of a close is what a caller expects, any other is not. */
function unlessClosed(error) {
  if (error.code !== "ERR_CLOSED") throw error;
}

/** What is under way when it returns: the model, when it has come, and its calls. */
async function reach() {
  const loading = ClipModel.load("demo", { device: "cpu", dtype: "float32", maxBatchSize: 1 });
  if (state === "loading") return { loading, calls: [] };
  const model = await loading;
  await model.encodeImages([picture]);
  const call = () => model.encodeImages([picture]).catch(unlessClosed);
  if (state === "running") return { loading, calls: [call()] };
  if (state === "queued") return { loading, calls: Array.from({ length: 50 }, call) };
  return { loading, calls: [] };
}

const leave = {
  drain: () => {},
  exit: () => process.exit(0),
  uncaught: () => {
    throw new Error("thrown on purpose");
  },
  // The parent sends the signal.
  SIGTERM: () => {},
  SIGINT: () => {},
};

if (!isMainThread) {
  await reach();
  parentPort.postMessage("reached");
} else if (way === "terminate") {
  const worker = new Worker(new URL(import.meta.url), { workerData: [state, delay] });
  worker.once("message", () => {
    process.send("reached");
    setTimeout(async () => {
      await worker.terminate();
      process.disconnect();
    }, Number(delay));
  });
} else {
  const { loading } = await reach();
  // A server, say, that keeps the process alive until the signal comes.
  const alive = setInterval(() => {}, 1000);
  if (way === "closing-SIGTERM") {
    // As a service does: ends what runs, and lets the loop drain.
    process.on("SIGTERM", async () => {
      await (await loading).close();
      process.disconnect();
      clearInterval(alive);
    });
  }
  process.send("reached");
  if (!way.includes("SIG")) {
    setTimeout(() => {
      clearInterval(alive);
      process.disconnect();
      leave[way]();
    }, Number(delay));
  }
}
