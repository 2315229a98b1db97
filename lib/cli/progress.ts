import type { LoadProgress } from "../models/load-options.js";
import type { CliContext } from "./context.js";

/** The progress bar of a command. */
export interface ProgressDisplay {
  /** One more input is done. */
  step(): void;
  /** Removes the display from the terminal. */
  stop(): void;
}

const SILENT: ProgressDisplay = { step: () => {}, stop: () => {} };

/**
 * A bar with the rate and the time left, on standard error. It is silent if that is not a terminal, or if the results
 * are printed to the same terminal.
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
      format: `{bar} {value}/{total} | {pace}`,
      barsize: 30,
      hideCursor: true,
      clearOnComplete: true,
      // The program handles interrupts itself, and stops the bar then.
      gracefulExit: false,
    },
    cliProgress.Presets.shades_classic,
  );
  bar.start(total, 0, { pace: `- ${unit}/s | - left` });
  // It is not known when the first batch started, so the rate is counted from its first result.
  let first: number | undefined;
  let done = 0;
  const stop = () => bar.stop();
  const removeCleanup = onInterrupt(stop);
  return {
    step: () => {
      done += 1;
      first ??= performance.now();
      const seconds = (performance.now() - first) / 1000;
      bar.increment(
        seconds > 0.2 && done > 1 ? { pace: paceOf({ done: done - 1, left: total - done, seconds, unit }) } : {},
      );
    },
    stop: () => {
      removeCleanup();
      stop();
    },
  };
}

/** The rate so far, and the time that what is left takes at that rate. */
export function paceOf(run: { done: number; left: number; seconds: number; unit: string }): string {
  const { done, left, seconds, unit } = run;
  const rate = done / seconds;
  return `${rate.toFixed(1)} ${unit}/s | ${formatSeconds(left / rate)} left`;
}

/** Seconds as text: "2.3 s", "45 s", "1 min 25 s", "2 h 5 min". */
export function formatSeconds(seconds: number): string {
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  return minutes < 60 ? `${minutes} min ${whole % 60} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

const ERASE_LINE = "\r\x1b[2K";

/** Runs `load` and shows its phase on standard error if that is a terminal; the line is erased afterwards. */
export async function whileLoading<T>(
  { stderr }: CliContext,
  load: (onProgress: (progress: LoadProgress) => void) => Promise<T>,
): Promise<T> {
  if (!stderr.isTTY) return load(() => {});
  try {
    return await load((progress) => stderr.write(`${ERASE_LINE}${describe(progress)}`));
  } finally {
    stderr.write(ERASE_LINE);
  }
}

function describe({ phase, file, loaded, total }: LoadProgress): string {
  if (phase === "load") return "Loading the weights";
  if (phase === "probe") return "Measuring how much fits into memory";
  const part = loaded !== undefined && total ? ` ${formatBytes(loaded)} of ${formatBytes(total)}` : "";
  return `Downloading ${file ?? "the model"}${part}`;
}

const UNITS = ["B", "kB", "MB", "GB", "TB"];

/** Bytes as text: "338 MB", "1.5 GB". */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${value >= 10 || unit === 0 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit]}`;
}
