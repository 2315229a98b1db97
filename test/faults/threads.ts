import { once } from "node:events";
import { Worker } from "node:worker_threads";

/** What a thread is to do. */
export interface Task {
  id: number;
  what: "texts" | "images" | "captions";
  count: number;
}

export type Answer =
  | { id: number; step: "asked" }
  | { id: number; step: "done"; value: unknown }
  | { id: number; step: "failed"; code: string | undefined };

/** A worker thread with both demo models on the CPU. */
export class Thread {
  readonly #worker: Worker;
  readonly #waiting = new Map<string, (answer: Answer) => void>();
  #nextId = 0;

  private constructor() {
    this.#worker = new Worker(new URL("./thread.mjs", import.meta.url));
    this.#worker.on("message", (answer: Answer) => {
      const key = `${answer.id} ${answer.step === "asked" ? "asked" : "ended"}`;
      this.#waiting.get(key)?.(answer);
      this.#waiting.delete(key);
    });
  }

  /** Resolves when the models are loaded. */
  static async start(): Promise<Thread> {
    const thread = new Thread();
    await once(thread.#worker, "message");
    return thread;
  }

  /** Gives the thread a task: `asked` resolves when its call is made, `ended` with what became of it. */
  run(what: Task["what"], count: number): { asked: Promise<Answer>; ended: Promise<Answer> } {
    const task: Task = { id: this.#nextId++, what, count };
    const asked = this.#answer(`${task.id} asked`);
    const ended = this.#answer(`${task.id} ended`);
    this.#worker.postMessage(task);
    return { asked, ended };
  }

  terminate(): Promise<number> {
    return this.#worker.terminate();
  }

  #answer(key: string): Promise<Answer> {
    return new Promise((resolve) => {
      this.#waiting.set(key, resolve);
    });
  }
}
