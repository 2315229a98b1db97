import assert from "node:assert/strict";
import { ClipBlipError } from "../../../lib/common/errors.js";
import { Admission } from "../../../lib/engine/admission.js";
import { type DeviceQueue, DeviceQueue as Queue } from "../../../lib/engine/device-queue.js";
import { ModelHost } from "../../../lib/engine/host.js";
import type { CacheRelease, ModuleHandle, NativeErrorCode, RunOptions } from "../../../lib/native/types.js";
import { type LocalTurns, localTurns, TestOperation } from "./engine.js";

/** Work that has begun and ends when whoever drives the device says so. */
interface Pending {
  finish: () => void;
}

/** An input of a call, and the item of a batch that it becomes. */
export interface FakeItem {
  id: number;
  /** Rows that it takes in a batch. */
  rows: number;
  /** Larger than any device. */
  huge?: boolean;
  /** Cannot be prepared. */
  corrupt?: boolean;
}

/** What probes and warm-ups run. */
export const SAMPLE: FakeItem = { id: -1, rows: 1 };

/** What has happened since somebody got the device. */
interface Turn {
  forwards: number;
  items: Set<number>;
  /** For an item of a forward that has run out of memory: the items of its next one at most. */
  most: Map<number, number>;
  releaseCache?: CacheRelease;
}

const newTurn = (): Turn => ({ forwards: 0, items: new Set(), most: new Map() });

/** What the n-th forward from now on does in the place of its work. */
export interface Fault {
  kind: "out-of-memory" | "other" | "lost" | "too-few-results";
  nth: number;
}

/** A model's need of memory: `fixed + perRow * rows` for a forward, and `weights` as long as it is loaded. */
export interface FakeModelOptions {
  fixed: number;
  perRow: number;
  weights: number;
  largestUseful: number;
  maxBatchSize?: number;
  maxQueue: number;
  releaseCache: CacheRelease;
  /** Preparing an item ends at once, or when the driver says so. */
  slowPreparation: boolean;
  /** A full batch may be handed over while the one before is on the device. */
  overlap: boolean;
}

const nativeError = (code: NativeErrorCode, text: string) => Object.assign(new Error(text), { code });

/**
 * A device with a memory of its own, as the engine sees one: it counts, runs out, keeps a cache, and fails where it is
 * told to. Nothing on it ends by itself. It asserts what must hold at every moment.
 */
export class FakeDevice {
  readonly turns: LocalTurns = localTurns();
  readonly queue: DeviceQueue;
  /** Bytes of the device. */
  capacity: number;
  /** Bytes that somebody else has taken. */
  neighbour = 0;
  weights = 0;
  cached = 0;
  faults: Fault[] = [];
  readonly pending: Pending[] = [];
  /** Forwards, and those of them that ran out of memory. */
  forwards = 0;
  outOfMemory = 0;
  faultsFired = 0;
  /** Rows of the largest forward since it was last set to 0. */
  largestForward = 0;
  /** Items for which there was no room though they were alone. */
  readonly failedAlone = new Set<number>();
  /** Items of forwards that failed for another reason than memory. */
  readonly failedOtherwise = new Set<number>();
  /** Items of calls that were aborted: none of them begins any more. */
  readonly #aborted = new Set<number>();
  #busy = false;
  #turn = newTurn();
  /** Items whose forward ran out of memory and left something in the cache. */
  readonly #stale = new Set<number>();
  /** The end of what was handed over: forwards run one after another. */
  #thread: Promise<unknown> = Promise.resolve();
  /** Forwards that were handed over before the one ahead of them had ended. */
  overlapped = 0;

  constructor(capacity: number) {
    this.capacity = capacity;
    const { turns } = this;
    this.queue = new Queue({
      ...turns,
      release: () => {
        this.#endTurn();
        turns.release();
      },
    });
  }

  /** Bytes that a call could take now. */
  get free(): number {
    return this.capacity - this.neighbour - this.weights;
  }

  /** The call that these items belong to has been aborted. */
  abort(items: FakeItem[]): void {
    // A batch that has the device, and waits for the weights, may hold some of them.
    if (!this.turns.free() && this.#turn.forwards === 0) return;
    for (const { id } of items) this.#aborted.add(id);
  }

  /** Puts a model on the device: its operation, and what it is made of. */
  model(options: FakeModelOptions) {
    const admission = new Admission(options.maxQueue);
    let loaded = false;
    const host = new ModelHost({
      native: {
        emptyCache: async () => {
          this.#stale.clear();
          this.cached = 0;
        },
        unloadModule: async () => {
          assert.ok(loaded, "unloaded twice");
          assert.ok(!this.#busy, "unloaded amid a forward");
          loaded = false;
          this.weights -= options.weights;
        },
      },
      device: "fake",
      queue: this.queue,
      load: async () => {
        assert.ok(!loaded, "loaded twice");
        await this.#later(true);
        loaded = true;
        this.weights += options.weights;
        return {} as ModuleHandle;
      },
      measureBudget: () => Math.floor(0.8 * this.free),
      releaseCache: options.releaseCache,
      isBusy: () => admission.accepted > 0,
    });
    const { maxBatchSize } = options;
    const context = { device: "fake", host, queue: this.queue, admission, maxBatchSize };
    const operation = new TestOperation<FakeItem, number>(context, options.largestUseful, {
      prepare: async (item) => {
        await this.#later(options.slowPreparation);
        if (item.corrupt) throw new ClipBlipError("ERR_IMAGE_DECODE", "corrupt");
        return item;
      },
      key: (item) => String(item.rows),
      rows: (item) => item.rows,
      run: async (_module, items, run) => {
        assert.ok(loaded, "a forward without weights");
        const begins = this.#turn.forwards === 0 && items[0] !== SAMPLE;
        assert.ok(!begins || host.state !== "closed", "a batch of a closed model");
        assert.equal(this.turns.lostReason(), undefined, "a forward on a lost device");
        assert.ok(!items.some(({ id }) => this.#stale.has(id)), "the cache was not given back before the next try");
        const most = Math.min(...items.map(({ id }) => this.#turn.most.get(id) ?? Number.POSITIVE_INFINITY));
        assert.ok(items.length <= most, "the next bucket after memory ran out");
        assert.ok(options.overlap || !this.#busy, "two forwards at once");
        if (this.#busy) this.overlapped += 1;
        const forward = this.#thread.then(() => this.#forward(items, run, options));
        this.#thread = forward.catch(() => {});
        return forward;
      },
      sample: () => SAMPLE,
      overlaps: () => options.overlap,
    });
    return { admission, host, operation };
  }

  async #forward(items: FakeItem[], run: RunOptions, { fixed, perRow, releaseCache }: FakeModelOptions) {
    assert.ok(!this.#busy, "two forwards at once");
    assert.ok(!this.turns.free(), "a forward without a turn");
    // It was handed over before that was known.
    if (this.turns.lostReason() !== undefined) throw nativeError("DEVICE_LOST", "device-side assert triggered");
    assert.equal(new Set(items.map((item) => item.rows)).size, 1, "items that must not share a batch");
    if (this.#turn.forwards === 0) assert.ok(!items.some(({ id }) => this.#aborted.has(id)), "begun after its abort");
    this.#busy = true;
    this.forwards += 1;
    this.#turn.forwards += 1;
    this.#turn.releaseCache = releaseCache;
    for (const item of items) this.#turn.items.add(item.id);
    const fault = this.faults.find(({ nth }) => nth === this.forwards);
    await this.#later(true);
    this.#busy = false;

    const rows = items.reduce((sum, item) => sum + item.rows, 0);
    const bytes = items.some((item) => item.huge) ? Number.POSITIVE_INFINITY : fixed + perRow * rows;
    if (run.releaseCache === "after-call") this.cached = 0;
    else this.cached += 1;
    if (fault) {
      this.faultsFired += 1;
      if (fault.kind === "lost") throw nativeError("DEVICE_LOST", "device-side assert triggered");
      if (fault.kind === "other") {
        for (const item of items) this.failedOtherwise.add(item.id);
        throw nativeError("INTERNAL", "shapes cannot be multiplied");
      }
    }
    if (fault?.kind === "out-of-memory" || bytes > Math.min(this.free, run.memoryLimit ?? this.free)) {
      this.outOfMemory += 1;
      const most = Math.max(1, 2 ** Math.ceil(Math.log2(items.length) - 1));
      for (const { id } of items) {
        if (run.releaseCache !== "after-call") this.#stale.add(id);
        if (id !== SAMPLE.id) this.#turn.most.set(id, most);
      }
      if (items.length === 1) this.failedAlone.add(items[0]!.id);
      throw nativeError("OUT_OF_MEMORY", "does not fit");
    }
    this.largestForward = Math.max(this.largestForward, rows);
    const values = items.map((item) => resultOf(item));
    if (fault?.kind === "too-few-results") {
      for (const item of items) this.failedOtherwise.add(item.id);
      values.pop();
    }
    return { values, peakBytes: bytes };
  }

  #endTurn(): void {
    assert.ok(!this.#busy, "the turn ended amid a forward");
    const { forwards, items, releaseCache } = this.#turn;
    this.#turn = newTurn();
    if (releaseCache === "after-call") assert.equal(this.cached, 0, "the cache outlives the call");
    // Probes and warm-ups run the same sample again and again.
    if (items.has(SAMPLE.id)) return;
    assert.ok(forwards <= Math.max(0, 2 * items.size - 1), `${forwards} forwards for ${items.size} items`);
  }

  /** Ends at once, or when the driver finishes it. */
  #later(slow: boolean): Promise<void> {
    if (!slow) return Promise.resolve();
    return new Promise((resolve) => {
      this.pending.push({ finish: resolve });
    });
  }
}

/** What a forward makes of an item. */
export const resultOf = (item: FakeItem) => item.id * 3 + 1;
