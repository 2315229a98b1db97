import { short } from "./numbers.mjs";

/**
 * Holds a measured value to its aim: at `least` or at `most` a bound, in `unit`; `exact` where each digit counts.
 *
 * @param {{what: string, least?: number, most?: number, unit?: string, exact?: boolean}} aim
 * @param {number | undefined} value
 * @returns {what, aim, measured, met}: met is undefined where nothing was measured
 */
export function judge(aim, value) {
  const { what, least, most, unit = "", exact = false } = aim;
  const known = Number.isFinite(value);
  const bound = least ?? most;
  const suffix = unit && ` ${unit}`;
  return {
    what,
    aim: `${least === undefined ? "at most" : "at least"} ${exact ? bound : short(bound)}${suffix}`,
    value: known ? value : undefined,
    measured: known ? `${exact ? value.toFixed(6) : short(value)}${suffix}` : "not measured",
    met: known ? (least === undefined ? value <= most : value >= least) : undefined,
  };
}

/** For a table. */
export const metCell = (met) => (met === undefined ? "–" : met ? "yes" : "no");
