import { locateLibTorch } from "./libtorch/find.js";
import { loadNative } from "./load.js";
import type { NativeBinding } from "./types.js";

// One per thread: each worker thread has its own copy of this module and loads the addon once.
let binding: NativeBinding | undefined;

/**
 * The addon, with LibTorch loaded; the first call finds and loads both. A failure is not cached, so that a later call
 * succeeds once LibTorch has been installed.
 */
export function native(): NativeBinding {
  binding ??= loadNative(locateLibTorch);
  return binding;
}
