import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { buildSync } from "esbuild";
import { repositoryPath } from "../library/models.js";
import type { ProcessOptions } from "./worker-process.js";

// Inside the repository, so that packages are found, this one under its own name too.
const folder = repositoryPath("build/queue-worker");
const script = `${folder}/${process.pid}.mjs`;

/** Makes the program of `WorkerProcess.start`: as JavaScript it starts in a fraction of the time. */
export function buildWorkerProcess(): void {
  buildSync({
    entryPoints: [repositoryPath("test/queue/worker-process.ts")],
    outfile: script,
    bundle: true,
    packages: "external",
    platform: "node",
    format: "esm",
  });
}

/** Removes it. */
export function removeWorkerProcess(): void {
  rmSync(folder, { recursive: true, force: true });
}

/** A worker in a process of its own. */
export class WorkerProcess {
  readonly child: ChildProcess;
  readonly exit: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  /** Resolves when it takes jobs. */
  readonly ready: Promise<void>;
  log = "";

  constructor(child: ChildProcess, isReady: (log: string) => boolean) {
    this.child = child;
    this.exit = once(child, "exit").then(([code, signal]) => ({ code, signal }));
    this.ready = new Promise((resolve, reject) => {
      for (const stream of [child.stdout!, child.stderr!]) {
        stream.on("data", (text) => {
          this.log += text;
          if (isReady(this.log)) resolve();
        });
      }
      child.once("exit", () => reject(new Error(`The worker ended before it was ready: ${this.log}`)));
    });
    this.ready.catch(() => {});
  }

  /** A worker with stand-ins for its models. */
  static start(options: ProcessOptions): WorkerProcess {
    const child = spawn(process.execPath, [script, JSON.stringify(options)], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    return new WorkerProcess(child, (log) => log.includes("ready\n"));
  }

  /** Ends it at once, if it has not ended, and waits. */
  async kill(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill(signal);
    await this.exit;
  }
}
