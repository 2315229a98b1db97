import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, onTestFinished, test, vi } from "vitest";
import { withLock } from "../../lib/common/lock.js";

const scratch = mkdtempSync(join(tmpdir(), "clip-blip-lock-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
const HOLDER = fileURLToPath(new URL("./support/lock-holder.mjs", import.meta.url));

/** Takes the lock on `path`, and keeps it until it is told to let go. */
async function hold(path: string): Promise<() => Promise<void>> {
  let letGo!: () => void;
  let held!: Promise<void>;
  await new Promise<void>((isIn) => {
    held = withLock(path, () => {
      isIn();
      return new Promise((resolve) => {
        letGo = resolve;
      });
    });
  });
  return () => {
    letGo();
    return held;
  };
}

describe("a lock", () => {
  test("has one holder at a time in a process, and is free after a failure", async () => {
    const path = join(scratch, "one");
    let inside = 0;
    const task = async () => {
      assert.equal(++inside, 1);
      await new Promise(setImmediate);
      inside--;
    };
    await Promise.all([withLock(path, task), withLock(path, task), withLock(path, task)]);
    await assert.rejects(
      withLock(path, () => Promise.reject(new Error("no"))),
      /no/,
    );
    assert.equal(await withLock(path, async () => "in", { onWait: () => assert.fail("it is held") }), "in");
  });

  test("says once that it is held, and is no longer waited for when the signal aborts", async () => {
    const path = join(scratch, "aborted");
    const release = await hold(path);
    const controller = new AbortController();
    let waits = 0;
    const onWait = () => {
      waits++;
      controller.abort(new Error("enough"));
    };
    await assert.rejects(
      withLock(path, async () => "in", { signal: controller.signal, onWait }),
      /enough/,
    );
    assert.equal(waits, 1);
    await release();
    assert.equal(await withLock(path, async () => "in"), "in");
  });

  test("is not taken once the signal has aborted", async () => {
    const task = () => assert.fail("it ran");
    await assert.rejects(
      withLock(join(scratch, "late"), task, { signal: AbortSignal.abort(new Error("late")) }),
      /late/,
    );
  });

  test("says so where the file system has no locks", async () => {
    vi.doMock("fs-native-extensions", () => ({
      tryLock: () => {
        throw Object.assign(new Error("no locks available"), { code: "ENOLCK" });
      },
    }));
    onTestFinished(() => void vi.doUnmock("fs-native-extensions"));
    await assert.rejects(
      withLock(join(scratch, "unlockable"), async () => assert.fail("it ran")),
      { code: "ERR_INVALID_ARGUMENT", message: /unlockable cannot be locked \(ENOLCK\): use a folder/ },
    );
  });

  test("has one holder among eight processes that are killed at random", async () => {
    const path = join(scratch, "eight");
    const journal = join(scratch, "journal");
    const lines = () => readFileSync(journal, "utf8").split("\n").slice(0, -1);
    /** How long the journal was when a process was killed. */
    const killed = new Map<number, number>();
    const running = new Set<ChildProcess>();
    let entries = 0;

    await new Promise<void>((resolve, reject) => {
      const start = () => {
        const child = spawn(process.execPath, [HOLDER, path, journal], { stdio: ["ignore", "pipe", "inherit"] });
        running.add(child);
        child.once("exit", (code) => code !== null && reject(new Error(`a holder ended with code ${code}`)));
        child.stdout.on("data", () => {
          entries++;
          if (entries % 4 !== 0 || !running.has(child)) return;
          // Often the one that is in, else any.
          const others = [...running];
          const victim = Math.random() < 0.6 ? child : others[Math.floor(Math.random() * others.length)]!;
          killed.set(victim.pid!, lines().length);
          victim.kill("SIGKILL");
          running.delete(victim);
          if (killed.size === 40) resolve();
          else start();
        });
      };
      for (let count = 0; count < 8; count++) start();
    });
    await Promise.all(
      [...running].map((child) => {
        killed.set(child.pid!, lines().length);
        const exit = once(child, "exit");
        child.kill("SIGKILL");
        return exit;
      }),
    );

    let holder: number | undefined;
    let takenOver = 0;
    for (const [index, line] of lines().entries()) {
      const [step, pid] = [line.split(" ")[0], Number(line.split(" ")[1])];
      if (step === "in") {
        if (holder !== undefined) {
          assert.ok(index >= killed.get(holder)!, `${pid} came in at line ${index}, where ${holder} was`);
          takenOver++;
        }
        holder = pid;
      } else {
        assert.equal(holder, pid, `line ${index}`);
        holder = undefined;
      }
    }
    assert.ok(takenOver > 3, `${takenOver} locks were taken over`);
    assert.equal(await withLock(path, async () => "in"), "in");
  });
});
