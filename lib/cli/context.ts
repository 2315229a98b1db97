import type { Writable } from "node:stream";
import type { Library } from "./library.js";

/** A stream that may be a terminal. */
export type Output = Writable & { isTTY?: boolean; columns?: number };

/** The surroundings of a command: streams, environment, the library. */
export interface CliContext {
  /** Loaded when a command needs it: help and usage errors come without LibTorch. */
  library: () => Promise<Library>;
  stdout: Output;
  stderr: Output;
  env: NodeJS.ProcessEnv;
  /** Aborted when the user interrupts, or when nobody reads the results any more. */
  signal: AbortSignal;
  /** Runs `cleanup` before an interrupt ends the process. Returns what removes it again. */
  onInterrupt: (cleanup: () => unknown) => () => void;
  /**
   * From now on an interrupt only aborts `signal`: the command ends by itself, in its own time and with its own exit
   * code. A second interrupt ends the process at once all the same.
   */
  endsItself: () => void;
}
