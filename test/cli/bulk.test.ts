import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { copyFileSync, linkSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { asyncBufferFromFile, parquetReadObjects } from "hyparquet";
import { afterAll, beforeAll, describe, test } from "vitest";
import { ended, jsonLines, PICTURES, run, start } from "./support.js";

const FILES = 1400;
/** Bytes by which the peak of a process may rise after its first pictures: caches fill up, results do not. */
const GROWTH = 80e6;

const folder = mkdtempSync(join(tmpdir(), "clip-blip-bulk-"));
const many = join(folder, "many");
beforeAll(() => {
  mkdirSync(many);
  const picture = join(folder, "picture.png");
  copyFileSync(join(PICTURES, "scene-02.png"), picture);
  for (let index = 0; index < FILES; index++) linkSync(picture, join(many, `${index}.png`));
  writeFileSync(join(many, "broken.png"), "no picture");
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const sizeOf = (path: string) => statSync(path, { throwIfNoEntry: false })?.size ?? 0;
const rowsOf = async (path: string) => parquetReadObjects({ file: await asyncBufferFromFile(path) });

/** Waits until a condition holds, or the process has ended. */
async function until(condition: () => boolean, child: ChildProcess): Promise<void> {
  while (!condition() && child.exitCode === null) await delay(2);
}

/** The most memory that a process has had, in bytes; 0 for one that has ended. */
function peakMemory({ pid }: ChildProcess): number {
  try {
    return 1024 * Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0);
  } catch {
    return 0;
  }
}

describe("thousands of files", { skip: process.platform !== "linux" }, () => {
  test("Ctrl-C leaves a valid Parquet file, and the next run does the rest", async () => {
    const out = join(folder, "many.parquet");
    const child = start(["embed", many, "--out", out]);
    const interrupted = ended(child);
    // The first group of rows is in the file.
    await until(() => sizeOf(out) > 100_000, child);
    child.kill("SIGINT");
    const { signal, err } = await interrupted;
    assert.deepEqual([signal, err], ["SIGINT", ""]);
    const before = await rowsOf(out);
    assert.ok(before.length >= 1024 && before.length < FILES, String(before.length));

    const end = await run(["embed", many, "--out", out]);
    assert.equal(end.code, 1);
    assert.match(
      end.err,
      /^clip-blip: 1 of \d+ inputs failed; .*:\n {2}\S*broken\.png: .*\nclip-blip: \d+ images in .*, 1 failed, \d+ were there already\.\n$/,
    );
    const rows = await rowsOf(out);
    assert.deepEqual([rows.length, new Set(rows.map(({ input }) => input)).size], [FILES + 1, FILES + 1]);
  });

  test("a kill in the middle of JSON Lines loses and doubles nothing, and memory stays bounded", async () => {
    const out = join(folder, "many.jsonl");
    const killed = start(["embed", many, "--out", out]);
    const end = ended(killed);
    await until(() => sizeOf(out) > 50_000, killed);
    killed.kill("SIGKILL");
    await end;
    const begun = sizeOf(out);

    const child = start(["embed", many, "--out", out], { env: { NODE_OPTIONS: "--max-old-space-size=96" } });
    const finished = ended(child);
    await until(() => sizeOf(out) > begun + 100_000, child);
    const early = peakMemory(child);
    let peak = early;
    const sampling = setInterval(() => {
      peak = Math.max(peak, peakMemory(child));
    }, 20);
    assert.equal((await finished).code, 1);
    clearInterval(sampling);
    assert.ok(early > 0 && peak - early < GROWTH, `from ${early} to ${peak} bytes`);
    const inputs = jsonLines(readFileSync(out, "utf8")).map(({ input }) => input);
    assert.deepEqual([inputs.length, new Set(inputs).size], [FILES + 1, FILES + 1]);
  });
});
