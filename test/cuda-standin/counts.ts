import type { Control } from "./control.js";

/** Differences of counters by their names. */
export type Counts = Record<string, number>;

/**
 * How much every counter of the stand-in grows by an awaited call, those that do not change left out; with what it gives
 * back behind its answer, for which `quiet` waits.
 */
export async function counted(
  control: Control,
  call: () => Promise<unknown>,
  quiet: () => Promise<void> = async () => {},
): Promise<Counts> {
  const before = control.counters();
  await call();
  await quiet();
  const after = control.counters();
  return Object.fromEntries(
    Object.entries(after)
      .map(([name, value]): [string, number] => [name, value - before[name]!])
      .filter(([, difference]) => difference !== 0),
  );
}
