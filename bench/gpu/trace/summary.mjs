/** Silence on the device that separates one call from the next, in nanoseconds; parts/trace.mjs waits longer. */
const SILENCE = 25e6;
/** Kernels and calls that are named. */
const NAMED = 14;
/** Characters of a kernel's name: what follows are the arguments of its templates. */
const LENGTH = 110;

/**
 * The last call in a file that activity.cc wrote: how long the device was at work in it and how long it took from its
 * first piece of work to its last, in ms, what the kernels and copies took by name, and the calls of CUDA's runtime.
 */
export function summarize(text) {
  const records = text
    .split("\n")
    .filter(Boolean)
    .map((line) => {
      const [kind, start, end, name] = line.split("\t");
      return { kind, start: Number(start), end: Number(end), name };
    })
    .sort((one, other) => one.start - other.start);
  const work = lastGroup(records.filter(({ kind }) => kind !== "A"));
  if (work.length === 0) throw new Error("CUPTI recorded nothing");
  const [from, to] = [work[0].start, Math.max(...work.map(({ end }) => end))];
  // What the host does for this call begins before its first kernel, and ends after its last.
  const calls = records.filter(({ kind, start }) => kind === "A" && start > from - SILENCE && start < to + SILENCE);
  return {
    kernels: work.filter(({ kind }) => kind === "K").length,
    busy: busy(work) / 1e6,
    span: (to - from) / 1e6,
    copies: total(work.filter(({ kind }) => kind === "C")) / 1e6,
    work: byName(work),
    calls: byName(calls),
  };
}

/** What comes after the last silence. */
function lastGroup(records) {
  let first = 0;
  let end = 0;
  for (const [index, record] of records.entries()) {
    if (index > 0 && record.start - end > SILENCE) first = index;
    end = Math.max(end, record.end);
  }
  return records.slice(first);
}

/** Time in which something runs; what runs at the same time counts once. */
function busy(records) {
  let sum = 0;
  let covered = 0;
  for (const { start, end } of records) {
    sum += Math.max(0, end - Math.max(start, covered));
    covered = Math.max(covered, end);
  }
  return sum;
}

const total = (records) => records.reduce((sum, { start, end }) => sum + end - start, 0);

/** "name: times x, ms", the longest first. */
function byName(records) {
  const groups = new Map();
  for (const record of records) groups.set(record.name, [...(groups.get(record.name) ?? []), record]);
  return [...groups]
    .map(([name, group]) => ({ name, count: group.length, ms: total(group) / 1e6 }))
    .sort((one, other) => other.ms - one.ms)
    .slice(0, NAMED)
    .map(({ name, count, ms }) => `${ms.toFixed(3)} ms, ${count} x ${name.replace(/^void /, "").slice(0, LENGTH)}`);
}
