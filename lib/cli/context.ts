import type { Writable } from "node:stream";
import type { Library } from "./library.js";

/** A stream that may be a terminal. */
export type Output = Writable & { isTTY?: boolean; columns?: number };

/** What a command is given of the world around it. */
export interface CliContext {
  /** Loaded when a command needs it: help and usage errors come without LibTorch. */
  library: () => Promise<Library>;
  stdout: Output;
  stderr: Output;
  env: NodeJS.ProcessEnv;
  /** Aborted when the user interrupts, or when nobody reads the results any more. */
  signal: AbortSignal;
  /** Has `cleanup` run before an interrupt ends the process; gives back what takes it off again. */
  onInterrupt: (cleanup: () => unknown) => () => void;
  /**
   * From now on an interrupt only aborts `signal`: the command ends by itself, in its own time and with its own exit
   * code. A second interrupt ends the process at once all the same.
   */
  endsItself: () => void;
}
