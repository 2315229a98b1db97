// What worker-threads.test.ts runs in a worker thread: one call, then, on request, calls without end.
import { parentPort, workerData } from "node:worker_threads";
import { native } from "../../lib/native/instance.js";
import type { ModuleSpec, PixelBatch } from "../../lib/native/types.js";
import { CPU, RUN } from "./helpers.js";

const { spec, batch, busy } = workerData as { spec: ModuleSpec; batch: PixelBatch; busy: boolean };
const { buildModule, encodeImages } = native();
const module = await buildModule(spec, CPU);
const { data } = await encodeImages(module, batch, false, RUN);
parentPort!.postMessage([...data]);

const again = (): Promise<unknown> => encodeImages(module, batch, false, RUN).then(again);
if (busy) await Promise.all([again(), again(), again(), again()]);
