// Run as a program: loads the addon and prints what it says as one JSON line. It is a process of its own because a
// broken driver or library can end the process that loads it.
import { asClipBlipError } from "../common/errors.js";
import { native } from "./instance.js";

try {
  const binding = native();
  const devices = binding.devices().map((device) => {
    const { free, total } = binding.memory(device.name);
    return { ...device, free, total };
  });
  const fastBfloat16 = binding.cpuHasFastBfloat16();
  console.log(JSON.stringify({ torchVersion: binding.torchVersion(), devices, fastBfloat16 }));
} catch (error) {
  const { code, message } = asClipBlipError(error);
  console.log(JSON.stringify({ error: { code, message } }));
}
