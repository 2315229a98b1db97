import { setTimeout as delay } from "node:timers/promises";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Maximum time to wait for the batch on the device, which cannot be cancelled. */
const PATIENCE_MS = 500;
const CLEANUP_MS = 300;

/** How SIGINT (Ctrl-C), SIGTERM and SIGHUP end the program. */
export interface Interrupts {
  /** Aborted by the first interrupt, or by `abort`. */
  signal: AbortSignal;
  /** Stops the work because the reader of standard output is gone. */
  abort: () => void;
  onInterrupt: (cleanup: () => unknown) => () => void;
  /** As in CliContext: from now on an interrupt only aborts `signal`. */
  endsItself: () => void;
  /**
   * Cleans up and ends the process after an interrupt. Also ends it after a command that handles interrupts itself, so
   * that no open connection keeps it alive. Otherwise does nothing.
   */
  finish: () => Promise<void>;
}

/**
 * The first interrupt asks the work to stop; half a second later, or when it has stopped, outputs are closed and the
 * process ends by the same signal. Unlike `process.exit()`, that does not wait for a batch on a worker thread, and it
 * tells a shell script that the program was interrupted.
 */
export function handleInterrupts(): Interrupts {
  const controller = new AbortController();
  const cleanups = new Set<() => unknown>();
  let received: NodeJS.Signals | undefined;
  let endsAtOnce = true;

  const end = (signal: NodeJS.Signals) => {
    for (const name of SIGNALS) process.removeAllListeners(name);
    process.kill(process.pid, signal);
  };
  const finish = async () => {
    if (!endsAtOnce) process.exit();
    if (received === undefined) return;
    await Promise.race([Promise.allSettled([...cleanups].map(async (cleanup) => cleanup())), delay(CLEANUP_MS)]);
    end(received);
  };
  for (const name of SIGNALS) {
    process.on(name, () => {
      if (received !== undefined) return end(name);
      received = name;
      controller.abort(new Error("interrupted"));
      if (endsAtOnce) setTimeout(finish, PATIENCE_MS);
    });
  }
  return {
    signal: controller.signal,
    abort: () => controller.abort(new Error("nobody reads the results")),
    onInterrupt: (cleanup) => {
      cleanups.add(cleanup);
      return () => cleanups.delete(cleanup);
    },
    endsItself: () => {
      endsAtOnce = false;
    },
    finish,
  };
}
