import { availableParallelism } from "node:os";
import pLimit from "p-limit";

/** Threads of libuv's pool, as Node reads the variable; 4 is its default. */
const poolSize = Number.parseInt(process.env.UV_THREADPOOL_SIZE ?? "", 10) || 4;

/**
 * Decodes and resizes that may run at a time in this thread. One pool thread belongs to the device call and one stays
 * free, so that `fs` and `dns` are answered under full load.
 */
export const preparation = pLimit(Math.max(1, Math.min(availableParallelism(), poolSize - 2)));

/** Whether a picture is being decoded or resized, and so may be what the device waits for. */
export const isPreparing = () => preparation.activeCount > 0;
