import { setTimeout as sleep } from "node:timers/promises";
import { agreement } from "./agreement.mjs";

/**
 * Milliseconds between two runs: the threads of the program that ran wait for more work by spinning for a while, and must
 * not take the cores of the next one.
 */
const PAUSE = 60;

/** Runs before the first that counts: TorchScript and onnxruntime plan on their first ones. */
const WARM_UP = 2;

/**
 * Runs one task with all its contenders, each in a process of its own, one run of each in turn: A B C, A B C, … A
 * contender that fails is left out, and the others go on.
 *
 * @param task one of compareTasks
 * @param inputs what the programs are told beside the task: paths and the device
 * @param options rounds: how often each runs; start: starts the program of a contender; say: takes a line of progress
 * @returns {times, parts, agreement, facts, failed} by the contenders' ids; times in milliseconds
 */
export async function runTask(task, inputs, { rounds, start, say }) {
  const stage = new Stage(task, inputs, start);
  const times = {};
  const parts = {};
  try {
    for (const contender of task.contenders) {
      say(`preparing ${contender.id}`);
      await stage.enter(contender);
    }
    // A program that is started anew each time needs one run only to have its files in memory.
    const warmUp = task.fresh ? 1 : task.seconds ? 0 : WARM_UP;
    for (let round = -warmUp; round < rounds; round++) {
      say(round < 0 ? "warming up" : `round ${round + 1} of ${rounds}`);
      for (const { id, variant } of task.contenders) {
        const run = await stage.call(id, "run", { variant });
        if (run && round >= 0) {
          append(times, id, run.ms);
          if (run.parts) append(parts, id, run.parts);
        }
        await sleep(PAUSE);
      }
    }
    for (const id of Object.keys(stage.failed)) delete times[id];
    return { times, parts, agreement: await compareOutputs(task, stage), facts: stage.facts, failed: stage.failed };
  } finally {
    await stage.close();
  }
}

function append(lists, id, value) {
  lists[id] ??= [];
  lists[id].push(value);
}

/** The programs that take part in a task. */
class Stage {
  /** What each contender says of itself. */
  facts = {};
  /** Why contenders are out. */
  failed = {};
  #task;
  #inputs;
  #start;
  #contenders = new Map();
  #programs = new Map();

  constructor(task, inputs, start) {
    this.#task = task;
    this.#inputs = inputs;
    this.#start = start;
  }

  /** Starts and prepares a contender's program; where each run is to be in a new one, that is left to `call`. */
  async enter(contender) {
    this.#contenders.set(contender.id, contender);
    const key = programKey(contender);
    if (this.#task.fresh || this.#programs.has(key)) return;
    await this.#attempt(contender.id, async () => {
      const child = this.#start(contender);
      this.#programs.set(key, child);
      this.facts[contender.id] = await this.#prepare(child, contender);
    });
  }

  /** What a contender answers; undefined when it is out. */
  call(id, name, parameters) {
    return this.#attempt(id, async () => {
      const contender = this.#contenders.get(id);
      if (!this.#task.fresh) return this.#programs.get(programKey(contender)).call(name, parameters);
      const child = this.#start(contender);
      try {
        await this.#prepare(child, contender);
        return await child.call(name, parameters);
      } finally {
        await child.close();
      }
    });
  }

  async close() {
    await Promise.all([...this.#programs.values()].map((child) => child.close()));
  }

  #prepare(child, contender) {
    const { task, parameters, seconds } = this.#task;
    const told = seconds && { seconds: contender.program === "clip-blip" ? seconds.ours : seconds.peers };
    return child.call("prepare", { task, ...this.#inputs, ...parameters, ...contender.parameters, ...told });
  }

  async #attempt(id, action) {
    if (this.failed[id] !== undefined) return undefined;
    try {
      return await action();
    } catch (error) {
      // The last line says what was wrong, in Python as in Node; those above it name files of this machine.
      this.failed[id] = error.message
        .trim()
        .split("\n")
        .findLast((line) => !/^\s+at /.test(line));
      return undefined;
    }
  }
}

/** Variants of a contender run in the same process. */
const programKey = ({ program, parameters }) => JSON.stringify([program, parameters]);

async function compareOutputs(task, stage) {
  const expected = task.reference && (await stage.call(task.reference, "output"));
  if (!expected) return {};
  const result = {};
  for (const { id } of task.contenders) {
    const rows = await stage.call(id, "output");
    if (rows) result[id] = agreement(task.task, rows, expected);
  }
  return result;
}
