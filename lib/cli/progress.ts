import type { CliContext } from "./context.js";

/** How far a command has come, as the user sees it. */
export interface ProgressDisplay {
  /** One more input is done. */
  step(): void;
  /** Takes the display off the terminal. */
  stop(): void;
}

const SILENT: ProgressDisplay = { step: () => {}, stop: () => {} };

/**
 * A bar with images a second and the time left, on standard error and only on a terminal; not where results scroll
 * through the same terminal.
 */
export async function showProgress(
  { stderr, stdout, onInterrupt }: CliContext,
  options: { total: number; unit: string; toStdout: boolean },
): Promise<ProgressDisplay> {
  const { total, unit, toStdout } = options;
  if (!stderr.isTTY || (toStdout && stdout.isTTY)) return SILENT;
  const { default: cliProgress } = await import("cli-progress");
  const bar = new cliProgress.SingleBar(
    {
      stream: stderr,
      format: `{bar} {value}/{total} | {rate} ${unit}/s | {eta_formatted} left`,
      barsize: 30,
      hideCursor: true,
      clearOnComplete: true,
      // The program's own handler of interrupts stops the bar.
      gracefulExit: false,
    },
    cliProgress.Presets.shades_classic,
  );
  bar.start(total, 0, { rate: "-" });
  // The first result is the end of a batch whose begin was not seen: the rate counts from it.
  let first: number | undefined;
  let done = 0;
  const stop = () => bar.stop();
  const removeCleanup = onInterrupt(stop);
  return {
    step: () => {
      done += 1;
      first ??= performance.now();
      const seconds = (performance.now() - first) / 1000;
      bar.increment(seconds > 0.2 ? { rate: ((done - 1) / seconds).toFixed(1) } : {});
    },
    stop: () => {
      removeCleanup();
      stop();
    },
  };
}
