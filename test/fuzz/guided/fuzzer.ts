import { BUCKETS, bucketOf } from "./counters.js";
import { type Dictionary, Mutator } from "./mutate.js";

/** Something that reads what nobody vouches for. */
export interface Target extends Dictionary {
  /**
   * Reads an input.
   * @returns whether it was refused, as what cannot be read has to be; any failure but that is thrown
   */
  read(input: Buffer): boolean | Promise<boolean>;
}

/** An input that a reader cannot deal with. */
export interface Crash {
  input: Uint8Array;
  message: string;
}

/** Milliseconds that reading an input may take. */
const SLOW = 1000;

/** Bytes of resident memory that the whole process may have. */
const MAX_MEMORY = 2 ** 31;

/** Runs a target on one input after another, and keeps those of them that reach something new. */
export class Fuzzer {
  readonly #target: Target;
  readonly #counters: Uint32Array;
  readonly #guided: boolean;
  readonly #random: () => number;
  readonly #mutator: Mutator;
  readonly #onRun: (input: Buffer) => void;
  /** By counter and bucket: how short the shortest input is that reaches it. */
  readonly #shortest: Uint32Array;
  /** What later inputs are made of; and those of it that were read, from which the parts behind all checks are reached. */
  readonly pool: Buffer[] = [];
  readonly #read: Buffer[] = [];
  #lastRefused = false;
  runs = 0;
  refused = 0;

  /** Without `guided` nothing but the first inputs is ever changed. */
  constructor(
    target: Target,
    counters: Uint32Array,
    random: () => number,
    { guided = true, onRun = () => {} }: { guided?: boolean; onRun?: (input: Buffer) => void } = {},
  ) {
    this.#target = target;
    this.#counters = counters;
    this.#guided = guided;
    this.#random = random;
    this.#mutator = new Mutator(random, target);
    this.#onRun = onRun;
    this.#shortest = new Uint32Array(counters.length * BUCKETS);
  }

  /** Counters that any input has passed. */
  get reached(): number {
    let reached = 0;
    for (let counter = 0; counter < this.#counters.length; counter++) {
      if (this.#shortest.subarray(counter * BUCKETS, (counter + 1) * BUCKETS).some((length) => length > 0)) reached++;
    }
    return reached;
  }

  /** Reads the inputs that everything begins with. */
  async begin(inputs: Iterable<Uint8Array>): Promise<Crash | undefined> {
    for (const input of inputs) {
      const bytes = Buffer.from(input);
      const crash = await this.#run(bytes);
      if (crash) return crash;
      if (!this.#guided || this.#keeps(bytes.length)) this.#keep(bytes);
    }
    return undefined;
  }

  /** Tries more inputs, for so long or so many. */
  async search({ seconds = 0, runs = Number.POSITIVE_INFINITY }): Promise<Crash | undefined> {
    const end = performance.now() + seconds * 1000;
    const last = this.runs + runs;
    while (this.runs < last && (seconds === 0 || performance.now() < end)) {
      const input = this.#mutator.mutate(this.#choose(), this.#choose());
      const crash = await this.#run(input);
      if (crash) return crash;
      if (this.#guided && this.#keeps(input.length)) this.#keep(input);
    }
    return undefined;
  }

  /** Short inputs that reach every counter that the pool does; not how often, which would take ten times as many. */
  async minimised(): Promise<Buffer[]> {
    const least: Buffer[] = [];
    const reached = new Set<number>();
    for (const input of this.pool.toSorted((a, b) => a.length - b.length)) {
      await this.#run(input);
      const before = reached.size;
      for (const [counter, count] of this.#counters.entries()) if (count > 0) reached.add(counter);
      if (reached.size > before) least.push(input);
    }
    return least;
  }

  #keep(input: Buffer): void {
    this.pool.push(input);
    if (!this.#lastRefused) this.#read.push(input);
  }

  /** Mostly one of the newer inputs, and half of the time one that was read. */
  #choose(): Buffer {
    const from = this.#read.length > 0 && this.#random() < 0.5 ? this.#read : this.pool;
    const place = this.#random() < 0.5 ? this.#random() : Math.max(this.#random(), this.#random(), this.#random());
    return from[Math.floor(place * from.length)]!;
  }

  async #run(input: Buffer): Promise<Crash | undefined> {
    this.runs++;
    this.#onRun(input);
    const started = performance.now();
    try {
      this.#counters.fill(0);
      this.#lastRefused = await this.#target.read(input);
      if (this.#lastRefused) this.refused++;
    } catch (error) {
      return { input, message: error instanceof Error ? (error.stack ?? error.message) : String(error) };
    }
    if (performance.now() - started > SLOW && (await this.#isSlow(input))) {
      return { input, message: `It takes more than ${SLOW} ms to read` };
    }
    if (this.runs % 256 === 0 && process.memoryUsage.rss() > MAX_MEMORY) {
      return { input, message: `The process holds ${process.memoryUsage.rss()} bytes` };
    }
    return undefined;
  }

  /** Whether the input is to blame, and not another process that had the processor in between. */
  async #isSlow(input: Buffer): Promise<boolean> {
    for (let attempt = 0; attempt < 3; attempt++) {
      const started = performance.now();
      await this.#target.read(input);
      if (performance.now() - started < SLOW) return false;
    }
    return true;
  }

  /** Whether the last input reached something new, or something with far fewer bytes than any before. */
  #keeps(length: number): boolean {
    let keeps = false;
    for (let counter = 0; counter < this.#counters.length; counter++) {
      const count = this.#counters[counter]!;
      if (count === 0) continue;
      const feature = counter * BUCKETS + bucketOf(count);
      const shortest = this.#shortest[feature]!;
      if (shortest !== 0 && length + 1 > shortest / 2) continue;
      this.#shortest[feature] = length + 1;
      keeps = true;
    }
    return keeps;
  }
}
