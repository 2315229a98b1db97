import { freemem, totalmem } from "node:os";

/** Bytes that this process can still take, the limit of its container included. */
export function availableMemory(): number {
  // process.availableMemory knows cgroups; it came with Node 20.13 and is missing in other runtimes.
  return process.availableMemory?.() ?? freemem();
}

/** Bytes that this process may use in all: the machine's memory, or the limit of its container. */
export function totalMemory(): number {
  const constrained = process.constrainedMemory?.() ?? 0;
  const machine = totalmem();
  return constrained > 0 && constrained < machine ? constrained : machine;
}
