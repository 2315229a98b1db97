import { locateLibTorch } from "./libtorch/find.js";
import { loadNative } from "./load.js";
import type { NativeBinding } from "./types.js";

// One per thread: a worker thread has its own copy of this module, and an addon is loaded once in each.
let binding: NativeBinding | undefined;

/**
 * The addon, with LibTorch loaded under it; the first call finds and loads both. A failure is not kept, so that the
 * next call succeeds once LibTorch has been installed.
 */
export function native(): NativeBinding {
  binding ??= loadNative(locateLibTorch);
  return binding;
}
