import assert from "node:assert/strict";
import { setImmediate as settled } from "node:timers/promises";
import { describe, it } from "vitest";
import { ClipBlipError } from "../../lib/common/errors.js";
import { closedError } from "../../lib/engine/host.js";
import { random } from "./support/engine.js";
import {
  FakeDevice,
  type FakeItem,
  type FakeModelOptions,
  type Fault,
  resultOf,
  SAMPLE,
} from "./support/fake-device.js";

const CASES = 2000;

/** A call of a user under way. */
interface Call {
  model: Model;
  items: FakeItem[];
  abort: AbortController;
  reason: unknown;
  completed: number;
}

type Model = ReturnType<FakeDevice["model"]> & { options: FakeModelOptions; closed: boolean };

/** What all cases together have met: a simulation that meets nothing proves nothing. */
const met = {
  split: 0,
  fault: 0,
  lost: 0,
  aborted: 0,
  full: 0,
  closed: 0,
  alone: 0,
  unloaded: 0,
  probed: 0,
  grown: 0,
  overlapped: 0,
};

/** One seeded story of a device: calls, aborts, faults, neighbours, unloads and closes in any order. */
class Simulation {
  readonly #next: () => number;
  readonly #device: FakeDevice;
  readonly #models: Model[] = [];
  readonly #open = new Set<Call>();
  readonly #others = new Set<Promise<unknown>>();
  #nextId = 0;
  #streams = 0;
  #violation: unknown;

  constructor(seed: number) {
    this.#next = random(seed);
    this.#device = new FakeDevice(this.#between(3000, 20_000));
    this.#device.faults = Array.from(
      { length: this.#between(0, 3) },
      (): Fault => ({
        kind: this.#oneOf(["out-of-memory", "out-of-memory", "other", "too-few-results", "lost"]),
        nth: this.#between(1, 60),
      }),
    );
    for (let count = this.#between(1, 3); count > 0; count--) {
      const options: FakeModelOptions = {
        fixed: this.#between(0, 50),
        perRow: this.#between(1, 60),
        weights: this.#between(1, 300),
        largestUseful: this.#oneOf([1, 4, 8, 16, 64]),
        maxBatchSize: this.#next() < 0.3 ? this.#between(1, 20) : undefined,
        maxQueue: this.#oneOf([5, 50, 1000]),
        releaseCache: this.#oneOf(["after-call", "when-idle", "on-out-of-memory"]),
        slowPreparation: this.#next() < 0.7,
        overlap: this.#next() < 0.5,
      };
      this.#models.push({ ...this.#device.model(options), options, closed: false });
    }
  }

  async run(): Promise<void> {
    for (let action = this.#between(5, 30); action > 0; action--) {
      await settled();
      this.#act();
      for (let step = this.#between(0, 6); step > 0; step--) await this.#step();
    }
    await this.#drain();
    if (this.#device.turns.lostReason() === undefined && this.#next() < 0.04) await this.#growsBack();
    await this.#ends();
  }

  /** Lets everything go on that can, and some of what was waiting to end do so. */
  async #step(): Promise<void> {
    await settled();
    if (this.#violation) throw this.#violation;
    this.#placesAreThoseOfOpenCalls();
    const { pending } = this.#device;
    for (let count = this.#between(1, 8); count > 0 && pending.length > 0; count--) {
      pending.splice(this.#between(0, pending.length - 1), 1)[0]!.finish();
    }
  }

  async #drain(): Promise<void> {
    while (this.#open.size > 0 || this.#others.size > 0) {
      await this.#step();
      if (this.#device.pending.length > 0) continue;
      await settled();
      await settled();
      const stuck = this.#device.pending.length === 0 && (this.#open.size > 0 || this.#others.size > 0);
      assert.ok(!stuck, `${this.#open.size} calls never settle`);
    }
  }

  #act(): void {
    const model = this.#oneOf(this.#models);
    const chance = this.#next();
    if (chance < 0.55) this.#call(model, this.#items(this.#between(0, 40)));
    else if (chance < 0.6) this.#stream(model);
    else if (chance < 0.72) this.#abort();
    else if (chance < 0.85) this.#neighbour();
    else if (chance < 0.9) this.#unload(model);
    else if (chance < 0.94) this.#probe(model);
    else if (chance < 0.97) this.#warmup(model);
    else if (chance < 0.98) this.#close(model);
  }

  #items(count: number): FakeItem[] {
    const rows = this.#next() < 0.3 ? this.#between(2, 5) : 1;
    return Array.from({ length: count }, () => ({
      id: this.#nextId++,
      rows,
      huge: this.#next() < 0.005,
      corrupt: this.#next() < 0.002,
    }));
  }

  #call(model: Model, items: FakeItem[]): void {
    const call: Call = { model, items, abort: new AbortController(), reason: undefined, completed: 0 };
    const full = model.admission.accepted >= model.options.maxQueue;
    this.#open.add(call);
    const result = model.operation.pipeline.map(items, {
      signal: call.abort.signal,
      onProgress: ({ completed }) => {
        call.completed = completed;
      },
    });
    this.#watch(
      result.then(
        (values) => {
          this.#open.delete(call);
          assert.deepEqual(values, items.map(resultOf));
        },
        (error) => {
          this.#open.delete(call);
          this.#isToBlame(call, error, full);
        },
      ),
    );
  }

  /** A call may fail for what happened to it, and for nothing else. */
  #isToBlame(call: Call, error: unknown, full: boolean): void {
    if (error === call.reason && call.reason !== undefined) return;
    assert.ok(error instanceof ClipBlipError, String(error));
    const blamed = call.items.length > 1 ? call.items[error.index ?? -1] : call.items[0];
    if (error.code === "ERR_QUEUE_FULL") {
      met.full += 1;
      assert.ok(full, "refused although there was room");
    } else if (error.code === "ERR_OUT_OF_MEMORY") {
      met.alone += 1;
      assert.ok(blamed && this.#device.failedAlone.has(blamed.id), "blamed for the size of another");
    } else if (error.code === "ERR_IMAGE_DECODE") {
      assert.ok(blamed?.corrupt, "blamed for another that is corrupt");
    } else {
      this.#mayFail(call.model, call.items, error);
    }
  }

  /** A stream gives each item's own result; its consumer may leave early. */
  #stream(model: Model): void {
    const items = this.#items(this.#between(1, 30));
    const leaveAfter = this.#next() < 0.3 ? this.#between(1, items.length) : items.length;
    this.#streams += 1;
    const consume = async () => {
      let index = 0;
      for await (const result of model.operation.pipeline.stream(items)) {
        assert.equal(result.index, index);
        assert.equal(result.input, items[index]);
        const item = items[index++]!;
        if ("value" in result) assert.equal(result.value, resultOf(item));
        else if (result.error.code === "ERR_IMAGE_DECODE") assert.ok(item.corrupt);
        else this.#mayFail(model, [item], result.error);
        if (index === leaveAfter) break;
      }
      assert.equal(index, leaveAfter);
    };
    this.#watch(
      consume().finally(() => {
        this.#streams -= 1;
      }),
    );
  }

  #abort(): void {
    const calls = [...this.#open].filter((call) => call.items.length > 0 && call.reason === undefined);
    if (calls.length === 0) return;
    const call = this.#oneOf(calls);
    call.reason = new Error("changed my mind");
    call.abort.abort(call.reason);
    this.#device.abort(call.items);
    met.aborted += 1;
  }

  /** Somebody else takes memory or gives it back; a batch of a few rows always fits. */
  #neighbour(): void {
    const most = Math.max(0, this.#device.capacity - this.#device.weights - 1200);
    this.#device.neighbour = this.#next() < 0.4 ? 0 : this.#between(0, most);
  }

  #unload(model: Model): void {
    met.unloaded += 1;
    this.#watch(model.host.unload());
  }

  #probe(model: Model): void {
    met.probed += 1;
    this.#watch(model.operation.probe().catch((error) => this.#mayFail(model, [SAMPLE], error)));
  }

  #warmup(model: Model): void {
    this.#watch(model.operation.warmup().catch((error) => this.#mayFail(model, [SAMPLE], error)));
  }

  /** What anything may reject with that needs the device for `items`. */
  #mayFail(model: Model, items: FakeItem[], error: unknown): void {
    assert.ok(error instanceof ClipBlipError, String(error));
    // What the fake device itself has found wrong.
    if (error.cause instanceof assert.AssertionError) throw error.cause;
    const { failedAlone, failedOtherwise, turns } = this.#device;
    if (error.code === "ERR_CLOSED") {
      met.closed += 1;
      assert.ok(model.closed, "closed by nobody");
    } else if (error.code === "ERR_DEVICE_LOST") {
      met.lost += 1;
      assert.ok(turns.lostReason(), "lost by nobody");
    } else if (error.code === "ERR_OUT_OF_MEMORY") {
      assert.ok(
        items.some(({ id }) => failedAlone.has(id)),
        "there was room",
      );
    } else if (error.code === "ERR_INTERNAL") {
      assert.ok(
        items.some(({ id }) => failedOtherwise.has(id)),
        "failed with the fault of another",
      );
    } else {
      throw error;
    }
  }

  #close(model: Model): void {
    model.closed = true;
    model.operation.close(closedError());
    this.#watch(model.host.close());
  }

  /** The places that are taken are those of what the open calls have not got yet. */
  #placesAreThoseOfOpenCalls(): void {
    if (this.#streams > 0) return;
    for (const model of this.#models) {
      let expected = 0;
      for (const call of this.#open) if (call.model === model) expected += call.items.length - call.completed;
      assert.equal(model.admission.accepted, expected, "places in the queue");
    }
  }

  /** With the neighbour gone and no more faults, full batches are run again. */
  async #growsBack(): Promise<void> {
    this.#device.neighbour = 0;
    this.#device.faults = [];
    for (const model of this.#models) {
      if (model.closed) continue;
      const probing = model.operation.probe();
      this.#watch(probing);
      await this.#drain();
      const { safeBatchSize } = await probing;
      const most = Math.min(safeBatchSize, model.options.largestUseful);
      this.#device.neighbour = Math.max(0, this.#device.free - 2 * model.options.perRow - model.options.fixed);
      await this.#fill(model, most);
      this.#device.neighbour = 0;
      this.#device.largestForward = 0;
      for (let round = 0; round < 400 && this.#device.largestForward < most; round++) await this.#fill(model, most);
      assert.equal(this.#device.largestForward, most, "the batches grow back to what was measured");
      met.grown += 1;
    }
  }

  /** A call of one full batch. */
  async #fill(model: Model, size: number): Promise<void> {
    const items = Array.from({ length: size }, () => ({ id: this.#nextId++, rows: 1 }));
    this.#call(model, items);
    await this.#drain();
  }

  async #ends(): Promise<void> {
    for (const model of this.#models) if (!model.closed) this.#close(model);
    await this.#drain();
    const device = this.#device;
    assert.ok(device.turns.free(), "the device is free");
    assert.equal(device.turns.waiting(), 0, "nobody waits");
    assert.equal(device.weights, 0, "no weights are left");
    for (const { admission } of this.#models) assert.equal(admission.accepted, 0, "all places are free");
    met.split += device.outOfMemory;
    met.fault += device.faultsFired;
    met.overlapped += device.overlapped;
  }

  #watch(promise: Promise<unknown>): void {
    const watched = promise
      .catch((error) => {
        this.#violation ??= error;
      })
      .finally(() => this.#others.delete(watched));
    this.#others.add(watched);
  }

  #between(least: number, most: number): number {
    return least + Math.floor(this.#next() * (most - least + 1));
  }

  #oneOf<T>(values: readonly T[]): T {
    return values[Math.floor(this.#next() * values.length)]!;
  }
}

describe("the engine on a device with a memory of its own", () => {
  it(`keeps its promises in ${CASES} seeded stories`, async () => {
    for (let seed = 1; seed <= CASES; seed++) {
      try {
        await new Simulation(seed).run();
      } catch (cause) {
        throw new Error(`seed ${seed}: ${cause instanceof Error ? cause.message : cause}`, { cause });
      }
    }
    for (const [what, times] of Object.entries(met)) assert.ok(times > 50, `${what}: only ${times} times`);
  });
});
