import assert from "node:assert/strict";
import { describe, it } from "vitest";
import { BatchLimit, batchBuckets, bucketAbove, bucketBelow } from "../../lib/engine/batch-limit.js";

describe("batch buckets", () => {
  it("are powers of two with the largest batch on top", () => {
    assert.deepEqual(batchBuckets(1), [1]);
    assert.deepEqual(batchBuckets(8), [1, 2, 4, 8]);
    assert.deepEqual(batchBuckets(200), [1, 2, 4, 8, 16, 32, 64, 128, 200]);
  });

  it("lead down from any size, and up to the largest", () => {
    assert.deepEqual([1, 2, 3, 4, 5, 8, 9, 16, 17].map(bucketBelow), [1, 1, 2, 2, 4, 4, 8, 8, 16]);
    assert.deepEqual(
      [1, 4, 5, 64, 128, 200].map((size) => bucketAbove(size, 200)),
      [2, 8, 8, 128, 200, 200],
    );
  });
});

describe("the learned batch size", () => {
  const fill = (limit: BatchLimit, batches: number) => {
    for (let batch = 0; batch < batches; batch++) limit.succeeded(limit.current);
  };

  it("halves when memory runs out and comes back after full batches that fit", () => {
    const limit = new BatchLimit(64);
    limit.shrink(64);
    limit.shrink(32);
    assert.equal(limit.current, 16);
    fill(limit, 15);
    assert.equal(limit.current, 16);
    fill(limit, 1);
    assert.equal(limit.current, 32);
    for (let batch = 0; batch < 100; batch++) limit.succeeded(3);
    assert.equal(limit.current, 32, "small batches prove nothing");
    fill(limit, 100);
    assert.equal(limit.current, 64, "never above what was measured");
    limit.shrink(1);
    assert.equal(limit.current, 1);
  });

  it("is a bucket at every moment", () => {
    const limit = new BatchLimit(200);
    limit.shrink(150);
    assert.equal(limit.current, 128);
    limit.shrink(200);
    assert.equal(limit.current, 128, "an older batch teaches nothing new");
    fill(limit, 16);
    assert.equal(limit.current, 200);
  });

  it("waits twice as long after each try that failed, and forgets that once a size has proved itself", () => {
    const limit = new BatchLimit(8);
    limit.shrink(8);
    for (const patience of [16, 32, 64, 128, 256, 512, 1024, 1024]) {
      fill(limit, patience - 1);
      assert.equal(limit.current, 4, `before ${patience} batches`);
      fill(limit, 1);
      assert.equal(limit.current, 8, `after ${patience} batches`);
      limit.shrink(8);
    }
    fill(limit, 1024);
    assert.equal(limit.current, 8);
    fill(limit, 16);
    limit.shrink(8);
    fill(limit, 16);
    assert.equal(limit.current, 8);
  });

  it("takes a new measurement in the place of what it learned", () => {
    const limit = new BatchLimit(8);
    limit.shrink(4);
    limit.reset(100);
    assert.equal(limit.current, 100);
  });
});
