import { setTimeout as delay } from "node:timers/promises";
import type { WorkerOptions } from "../../lib/queue/worker-options.js";

/** How the stand-ins for the models behave. */
export interface Behaviour {
  /** Milliseconds for each picture. */
  slow?: number;
  /** Pictures of a batch. */
  batch?: number;
  /** Called with each picture before it is worked on. */
  onImage?: (image: string) => void;
}

/**
 * Models without weights: the embedding of a picture is its data's length, and its caption the data. What the queue
 * does with crashes and failures is the same for them, and a worker with them starts at once.
 */
export function standIns(behaviour: Behaviour = {}): Pick<WorkerOptions, "clip" | "blip"> {
  const { slow = 0, batch = 8, onImage } = behaviour;
  const text = async (image: unknown) => {
    const data = typeof image === "string" ? image.slice(image.indexOf(",") + 1) : head(image as Uint8Array);
    onImage?.(data);
    if (slow > 0) await delay(slow);
    return data;
  };
  const capabilities = () =>
    ({ device: "cpu", safeBatchSize: batch }) as ReturnType<NonNullable<WorkerOptions["clip"]>["capabilities"]>;
  return {
    clip: {
      capabilities,
      encodeImages: async ([image]) => [Float32Array.of((await text(image)).length, 0.5)],
    },
    blip: {
      capabilities,
      caption: async ([image]) => [{ text: await text(image), tokenIds: [1], score: 0, alternatives: [] }],
    },
  };
}

/** Enough of a file to tell it from another. */
const head = (bytes: Uint8Array) => Buffer.from(bytes.subarray(0, 100)).toString("latin1");

/** Pictures for the stand-ins, each with its own data. */
export function dataImages(count: number, name = "picture"): { key: string; uri: string }[] {
  return Array.from({ length: count }, (_, index) => ({
    key: `${name}-${index}`,
    uri: `data:text/plain,${name}-${index}`,
  }));
}
