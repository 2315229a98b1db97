import { median, ratio, summary } from "../common/statistics.mjs";

/** What aims and tables ask of the results of a task: `times` and `parts` are lists by the contenders' ids. */
export function resultsOf({ times, parts, agreement }) {
  return {
    agreement,
    /** The median of each part of a run, by contender. */
    parts: mapValues(parts, medians),
    /** Median and quartiles of each contender's times. */
    summaries: mapValues(times, summary),
    /** How many times slower one contender is than another. */
    ratio: (theirs, ours) => ratio(times[theirs], times[ours]),
    /** Milliseconds that one contender takes more than another: the median of the differences within each round. */
    extra: (more, less) => median(times[more].map((time, round) => time - times[less][round])),
  };
}

const mapValues = (object, of) =>
  Object.fromEntries(Object.entries(object).map(([key, value]) => [key, of(value, key)]));

/** [{a, b}, …] to {a, b}. */
const medians = (runs) => mapValues(runs[0], (_value, part) => median(runs.map((run) => run[part])));
