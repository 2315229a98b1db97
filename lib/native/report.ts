// Run as a program: loads the addon and prints its report as one line of JSON. It is a separate process because a
// broken driver or library can crash the process that loads it.
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
