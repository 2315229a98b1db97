import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, it } from "vitest";
import { describeOverload, measureOverload } from "../bench/overload-run.js";
import { demoPictures } from "../library/models.js";
import { fakeClip, listen, type Running, ready, request } from "./support.js";

const QUEUE = 16;

/** Pictures of a batch, and milliseconds that it takes: 20 a second, whatever else runs on the machine. */
const BATCH = 4;
const BATCH_TIME = 200;

/** A model whose device has a speed of its own; two minutes with a real one are in test/bench/overload.ts. */
function steadyClip() {
  const waiting: (() => void)[] = [];
  let running = false;
  const work = async () => {
    running = true;
    while (waiting.length > 0) {
      const batch = waiting.splice(0, BATCH);
      await sleep(BATCH_TIME);
      for (const resolve of batch) resolve();
    }
    running = false;
  };
  return fakeClip({
    encodeImages: async (images) => {
      await new Promise<void>((resolve) => {
        waiting.push(resolve);
        if (!running) void work();
      });
      return images.map(() => new Float32Array(512));
    },
  });
}

describe("five times what the service can bear", () => {
  let service: Running;
  beforeAll(async () => {
    service = await listen({ clip: steadyClip(), blip: false, maxQueue: QUEUE });
    await ready(service.url);
  });
  afterAll(() => service.app.close());

  it("leaves it answering as much as at its peak; the rest is told to wait, and memory does not grow", async (test) => {
    const result = await measureOverload({
      url: `${service.url}/api/v1/embeddings/images`,
      // A small one: the client is to ask in time on a busy machine too.
      picture: demoPictures[1]!,
      clients: QUEUE / 2,
      seconds: { warmup: 1, peak: 3, overload: 5 },
      memory: async () => process.memoryUsage.rss(),
    });
    test.annotate(describeOverload(result));
    const { peak, overload, refused, others, growth } = result;
    assert.deepEqual(Object.keys(peak.statuses), ["200"]);
    assert.deepEqual(others, []);
    assert.ok(refused > overload.statuses[200]!, `${refused} refused: the service was not overloaded`);
    // In a few seconds a batch more or less counts; on a busy machine the client may be late, too.
    assert.ok(overload.throughput >= 0.85 * peak.throughput, `${overload.throughput} of ${peak.throughput}`);
    assert.ok(growth < 40e6, `memory grew by ${growth} bytes`);
    // Nobody waits longer than for the queue.
    assert.ok(overload.p99 < 2000 * (QUEUE / overload.throughput) + 1000, `${overload.p99} ms`);
    assert.equal((await request(`${service.url}/health/ready`)).status, 200);
  });
});
