import assert from "node:assert/strict";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { test } from "vitest";
import { native } from "../../lib/native/instance.js";

const DEVICE = "a device of the test";

async function thread(): Promise<Worker> {
  const worker = new Worker(new URL("./turn-thread.mjs", import.meta.url));
  assert.deepEqual(await once(worker, "message"), ["ready"]);
  return worker;
}

async function ask(worker: Worker, command: "try" | "wait" | "release"): Promise<unknown> {
  worker.postMessage(command);
  return (await once(worker, "message"))[0];
}

test("one thread of the process holds a device at a time, and the others get it in the order they came", async () => {
  const [first, second] = await Promise.all([thread(), thread()]);
  assert.equal(native().tryAcquireDevice(DEVICE), true);
  assert.equal(await ask(first!, "try"), false);
  assert.equal(native().tryAcquireDevice(DEVICE), false, "not twice by the same thread either");
  assert.equal(native().tryAcquireDevice("another device"), true);
  native().releaseDevice("another device");

  const order: string[] = [];
  const waiting = async (count: number) => {
    while (native().waitingForDevice(DEVICE) < count) await sleep(1);
  };
  const inFirst = ask(first!, "wait").then(() => order.push("first"));
  await waiting(1);
  const here = native()
    .acquireDevice(DEVICE)
    .then(() => order.push("here"));
  const inSecond = ask(second!, "wait").then(() => order.push("second"));
  await waiting(3);
  assert.deepEqual(order, []);

  native().releaseDevice(DEVICE);
  await inFirst;
  assert.deepEqual(order, ["first"]);
  assert.equal(await ask(first!, "release"), "released");
  await here;
  native().releaseDevice(DEVICE);
  await inSecond;
  assert.deepEqual(order, ["first", "here", "second"]);
  native().releaseDevice(DEVICE);
  assert.equal(native().tryAcquireDevice(DEVICE), false, "only the holder can release");
  assert.equal(await ask(second!, "release"), "released");
  await Promise.all([first!.terminate(), second!.terminate()]);
});

test("a thread that ends gives up what it holds and what it waits for", async () => {
  const [holder, waiter] = await Promise.all([thread(), thread()]);
  assert.equal(await ask(holder!, "try"), true);
  waiter!.postMessage("wait");
  while (native().waitingForDevice(DEVICE) < 1) await sleep(1);
  const here = native().acquireDevice(DEVICE);
  await waiter!.terminate();
  await holder!.terminate();
  await here;
  native().releaseDevice(DEVICE);
});

test("a million turns leave nothing behind", async () => {
  for (let turn = 0; turn < 1_000_000; turn++) {
    if (!native().tryAcquireDevice(DEVICE)) assert.fail(`turn ${turn}`);
    native().releaseDevice(DEVICE);
  }
  for (let turn = 0; turn < 1000; turn++) {
    await native().acquireDevice(DEVICE);
    native().releaseDevice(DEVICE);
  }
});
