import { runClient } from "./fork-client.js";
import type { Answers, Orders } from "./http-client.js";

/** A service to be overloaded, and for how long. */
export interface OverloadOptions {
  /** Of a route that takes a picture as a form. */
  url: string;
  picture: string;
  /** Clients that find the peak: enough to keep the service busy, too few to fill its queue. */
  clients: number;
  /** Seconds before anything is measured, of the search for the peak, and of the overload. */
  seconds: { warmup: number; peak: number; overload: number };
  /** Bytes that the service's process holds. */
  memory: () => Promise<number>;
}

/** How the service did under five times of what it can bear. */
export interface Overload {
  peak: Answers;
  /** Requests a second that were sent. */
  rate: number;
  overload: Answers;
  /** Answers of 429 and 503. */
  refused: number;
  /** Statuses that are neither of those nor 200. */
  others: string[];
  /** Mean bytes in the second half of the overload, less those of the first. */
  growth: number;
}

/** Milliseconds between two looks at the memory. */
const SAMPLE = 250;

export async function measureOverload({ url, picture, clients, seconds, memory }: OverloadOptions): Promise<Overload> {
  const run = (time: number, load: Orders["load"]) => runClient({ url, picture, seconds: time, load });
  // What happens once (threads, caches, code that is compiled) happens before anything is measured.
  await run(seconds.warmup, { clients });
  const peak = await run(seconds.peak, { clients });
  const rate = 5 * peak.throughput;
  await run(seconds.warmup, { rate });

  const samples: number[] = [];
  const sampling = setInterval(() => void memory().then((bytes) => samples.push(bytes)), SAMPLE);
  const overload = await run(seconds.overload, { rate });
  clearInterval(sampling);
  const half = samples.length >> 1;
  return {
    peak,
    rate,
    overload,
    refused: (overload.statuses[429] ?? 0) + (overload.statuses[503] ?? 0),
    others: Object.keys(overload.statuses).filter((status) => !["200", "429", "503"].includes(status)),
    growth: mean(samples.slice(half)) - mean(samples.slice(0, half)),
  };
}

/** The figures as a line for people. */
export function describeOverload({ peak, rate, overload, refused, growth }: Overload): string {
  const percent = (100 * overload.throughput) / peak.throughput;
  return (
    `peak ${peak.throughput.toFixed(1)}/s (p99 ${peak.p99.toFixed(0)} ms); of ${rate.toFixed(0)}/s ` +
    `${overload.throughput.toFixed(1)}/s answered, ${percent.toFixed(1)} % of the peak (p50 ${overload.p50.toFixed(0)}, ` +
    `p99 ${overload.p99.toFixed(0)} ms), ${refused} refused, others: ${JSON.stringify(overload.statuses)}; ` +
    `memory of the second half ${(growth / 1e6).toFixed(1)} MB above the first's`
  );
}

function mean(values: number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
