// A worker process with stand-ins for its models: `worker-process.ts <options as JSON>`.
import { appendFileSync } from "node:fs";
import { startWorker, type WorkerOptions } from "clip-blip/queue";
import { type Behaviour, standIns } from "./stand-in.js";

/** What a worker process is told. */
export interface ProcessOptions extends Pick<WorkerOptions, "redis" | "sink" | "stalledAfter" | "concurrency"> {
  slow?: Behaviour["slow"];
  /** The process ends, as if it was killed, at a picture with this data. */
  deadly?: string;
  /** Takes a line for each picture that was begun. */
  begun?: string;
}

const { slow, deadly, begun, ...options }: ProcessOptions = JSON.parse(process.argv[2]!);

const onImage = (image: string) => {
  if (begun) appendFileSync(begun, `${image}\n`);
  if (image === deadly) process.kill(process.pid, "SIGKILL");
};
const worker = await startWorker({
  ...options,
  ...standIns({ slow, onImage }),
  log: (line) => process.stderr.write(`${line}\n`),
});
process.stdout.write("ready\n");
process.on("SIGTERM", () => worker.close());
await worker.done;
