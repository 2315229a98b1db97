import type { NativeBinding } from "../native/types.js";
import { DeviceQueue } from "./device-queue.js";

const queues = new Map<string, DeviceQueue>();

/** The one queue of a device in this thread; the turns come from the addon, which every thread of the process shares. */
export function deviceQueue(binding: NativeBinding, device: string): DeviceQueue {
  let queue = queues.get(device);
  if (!queue) {
    queue = new DeviceQueue({
      tryAcquire: () => binding.tryAcquireDevice(device),
      acquire: () => binding.acquireDevice(device),
      release: () => binding.releaseDevice(device),
      waiting: () => binding.waitingForDevice(device),
      lostReason: () => binding.lostReason(device),
      markLost: (reason) => binding.markDeviceLost(device, reason),
    });
    queues.set(device, queue);
  }
  return queue;
}
