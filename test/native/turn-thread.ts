/** A thread that takes turns as it is told: "try", "wait" and "release" for a device. */
import { parentPort } from "node:worker_threads";
import { native } from "../../lib/native/instance.js";

const DEVICE = "a device of the test";

parentPort!.on("message", async (command: "try" | "wait" | "release") => {
  if (command === "try") parentPort!.postMessage(native().tryAcquireDevice(DEVICE));
  else if (command === "release") parentPort!.postMessage(native().releaseDevice(DEVICE) ?? "released");
  else parentPort!.postMessage((await native().acquireDevice(DEVICE)) ?? "granted");
});
parentPort!.postMessage("ready");
