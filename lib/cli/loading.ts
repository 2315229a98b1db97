import type { LoadProgress } from "../options.js";
import type { CliContext } from "./context.js";
import { formatBytes } from "./format-bytes.js";

const ERASE_LINE = "\r\x1b[2K";

/** Runs `load` while one line on a terminal's standard error says what it is at; the line is gone afterwards. */
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
