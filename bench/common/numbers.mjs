/** A number for a table: three significant digits, thousands separated. */
export function short(value) {
  if (!Number.isFinite(value)) return "–";
  if (Math.abs(value) >= 1000) return Math.round(Number(value.toPrecision(4))).toLocaleString("en-US");
  return String(Number(value.toPrecision(3)));
}

/** A time in milliseconds, for a table. */
export const milliseconds = (value) => `${short(value)} ms`;

/** Bytes, for a table. */
export const mebibytes = (bytes) => `${short(bytes / 2 ** 20)} MiB`;
