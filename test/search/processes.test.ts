import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, test } from "vitest";
import { ImageIndex } from "../../lib/search/index.js";
import { standIn } from "./support.js";

const FILES = 800;

let folder: string;
beforeAll(() => {
  folder = join(mkdtempSync(join(tmpdir(), "clip-blip-processes-")), "photos");
  mkdirSync(folder);
  for (let index = 0; index < FILES; index++) writeFileSync(join(folder, `${index}.jpg`), `picture ${index}`);
});
afterAll(() => rmSync(join(folder, ".."), { recursive: true, force: true }));

/** Starts a process that brings the index up to date. */
function start(): ChildProcess {
  const script = fileURLToPath(new URL("./indexing.ts", import.meta.url));
  return spawn(process.execPath, ["--import", "tsx", script, folder], { stdio: ["ignore", "pipe", "inherit"] });
}

/** Kills a process once it is at its `at`-th file; how far it had come. */
async function killAt(at: number): Promise<number> {
  const child = start();
  let seen = 0;
  child.stdout!.setEncoding("utf8").on("data", (text: string) => {
    seen = Number(text.trim().split("\n").at(-1));
    if (seen >= at) child.kill("SIGKILL");
  });
  const [, signal] = await once(child, "close");
  assert.equal(signal, "SIGKILL");
  return seen;
}

/** Every file is found once, as itself. */
async function assertWhole(index: ImageIndex): Promise<void> {
  assert.equal(await index.count(), FILES);
  const paths = new Set<string>();
  for (let number = 0; number < FILES; number++) {
    const [best, second] = await index.searchText(`picture ${number}`, { top: 2 });
    assert.ok(best!.path === join(folder, `${number}.jpg`) && best!.score > 0.999 && second!.score < 0.999);
    paths.add(best!.path);
  }
  assert.equal(paths.size, FILES);
}

describe("several processes", () => {
  test("what a killed one has indexed stays, and nothing is lost or counted twice", async () => {
    const done: number[] = [];
    for (const at of [300, 100, 330]) {
      const reached = await killAt(at);
      await using index = await ImageIndex.open(folder, { model: standIn() });
      done.push(await index.count());
      assert.ok(done.at(-1)! <= (done.at(-2) ?? 0) + reached, `${done} after ${reached} more`);
    }
    // A commit comes with every 256 files, or after 5 seconds.
    assert.ok(done[0]! >= 256 && done[1]! >= done[0]! && done[2]! >= done[1]! + 256, String(done));
    const model = standIn();
    await using index = await ImageIndex.open(folder, { model });
    const { added, unchanged } = await index.update();
    assert.deepEqual([added, unchanged, model.embedded.length], [FILES - done[2]!, done[2], FILES - done[2]!]);
    await assertWhole(index);
  });

  test("two that index at a time do the work once, and others search meanwhile", async () => {
    rmSync(`${folder}.clip-blip`, { recursive: true });
    const children = [start(), start()];
    const results = children.map(async (child) => {
      let out = "";
      for await (const text of child.stdout!.setEncoding("utf8")) out += text;
      return JSON.parse(out.trim().split("\n").at(-1)!);
    });
    let ended = false;
    const all = Promise.all(results).finally(() => {
      ended = true;
    });
    await using index = await ImageIndex.open(folder, { model: standIn() });
    const counts: number[] = [];
    while (!ended) {
      const number = Math.floor(Math.random() * FILES);
      const [best] = await index.searchText(`picture ${number}`, { top: 1 });
      assert.ok(best === undefined || best.score <= 1);
      counts.push(await index.count());
    }
    const [one, other] = await all;
    assert.deepEqual([one.added + other.added, one.unchanged + other.unchanged], [FILES, FILES]);
    assert.equal(one.embedded + other.embedded, FILES);
    assert.deepEqual(
      counts,
      counts.toSorted((a, b) => a - b),
    );
    assert.ok(new Set(counts).size > 2, "the work of others is seen as it is done");
    await assertWhole(index);
  });
});
