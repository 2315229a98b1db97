import type { Readable, Writable } from "node:stream";
import type { Library } from "./library.js";

/** A stream that may be a terminal. */
export type Output = Writable & { isTTY?: boolean; columns?: number };

/** The surroundings of a command: streams, environment, the library. */
export interface CliContext {
  /** Loads the library on demand, so that help and usage errors do not need LibTorch. */
  library: () => Promise<Library>;
  stdin: Readable;
  stdout: Output;
  stderr: Output;
  env: NodeJS.ProcessEnv;
  /** Aborted on an interrupt, or when the reader of standard output is gone. */
  signal: AbortSignal;
  /** Has `cleanup` run before an interrupt ends the process. Returns a function that takes this back. */
  onInterrupt: (cleanup: () => unknown) => () => void;
  /**
   * From now on an interrupt only aborts `signal`, and the command shuts down by itself, with its own exit code. A
   * second interrupt still ends the process at once.
   */
  endsItself: () => void;
}
