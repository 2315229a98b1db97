import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

/**
 * A program that answers one JSON line with one: {"id", "call", …} with {"id", "result"} or {"id", "error"}. Other lines
 * of its standard output are ignored, its standard error is kept for the message of a failure.
 */
export class Child {
  #process;
  #waiting = new Map();
  #nextId = 0;
  #said = "";

  constructor(command, args, { env } = {}) {
    this.#process = spawn(command, args, { stdio: ["pipe", "pipe", "pipe"], env: { ...process.env, ...env } });
    createInterface({ input: this.#process.stdout }).on("line", (line) => this.#answer(line));
    this.#process.stderr.setEncoding("utf8").on("data", (text) => {
      this.#said = (this.#said + text).slice(-4000);
    });
    // Its end is told by "close"; a write to one that has ended would otherwise end this process too.
    this.#process.stdin.on("error", () => {});
    this.#process.once("error", (error) => this.#fail(error));
    this.#process.once("close", (code, signal) => this.#fail(new Error(`it ended with ${signal ?? `code ${code}`}`)));
  }

  /** Resolves with what the program answers; rejects with its error, when it ends, or after `timeout` ms. */
  call(call, parameters = {}, timeout = 600_000) {
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(id);
        reject(new Error(`${call} took longer than ${timeout / 1000} s`));
      }, timeout);
      this.#waiting.set(id, { resolve, reject, timer });
      this.#process.stdin.write(`${JSON.stringify({ id, call, ...parameters })}\n`);
    });
  }

  /** Ends the program. */
  async close() {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const closed = new Promise((resolve) => this.#process.once("close", resolve));
    this.#process.kill("SIGKILL");
    await closed;
  }

  #answer(line) {
    let message;
    try {
      message = JSON.parse(line);
    } catch {
      return;
    }
    const waiting = this.#waiting.get(message?.id);
    if (!waiting) return;
    this.#waiting.delete(message.id);
    clearTimeout(waiting.timer);
    if (message.error === undefined) waiting.resolve(message.result);
    else waiting.reject(new Error(message.error));
  }

  #fail(error) {
    for (const { reject, timer } of this.#waiting.values()) {
      clearTimeout(timer);
      reject(new Error(`${error.message}\n${this.#said}`.trim(), { cause: error }));
    }
    this.#waiting.clear();
  }
}
