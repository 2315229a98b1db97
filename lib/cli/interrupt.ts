import { setTimeout as delay } from "node:timers/promises";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** A batch on the device cannot be stopped; the program waits no longer than this for it. */
const PATIENCE_MS = 500;
const CLEANUP_MS = 300;

/** How Ctrl-C and its like end the program. */
export interface Interrupts {
  /** Aborted by the first interrupt, or by `abort`. */
  signal: AbortSignal;
  /** Stops the work for another reason than an interrupt: nobody reads the results. */
  abort: () => void;
  onInterrupt: (cleanup: () => unknown) => () => void;
  /** As CliContext's: from now on an interrupt does no more than abort `signal`. */
  endsItself: () => void;
  /**
   * After an interrupt: cleans up and ends the process. Also ends it after a command that handles interrupts itself, so
   * that no hanging connection keeps it. Otherwise does nothing.
   */
  finish: () => Promise<void>;
}

/**
 * The first interrupt asks the work to stop; half a second later, or when it has stopped, outputs are closed and the
 * process ends by the same signal. That, unlike `process.exit()`, does not wait for a batch on a worker thread, and it
 * tells a shell script that the user wanted out.
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
