import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "vitest";
import { judgeAims } from "../../bench/gpu/aims.mjs";
import { PART_IDS, partsFor } from "../../bench/gpu/parts.mjs";
import { linkTools } from "../../bench/gpu/rehearsal-machine.mjs";
import { troubleOf } from "../../bench/gpu/rehearse.mjs";
import { report } from "../../bench/gpu/report.mjs";
import { runParts, timeLeft } from "../../bench/gpu/run-parts.mjs";
import { summarize } from "../../bench/gpu/trace/summary.mjs";

const say = () => {};
const part = (id: string, program: string, share = 20) => ({
  id,
  share,
  command: [process.execPath, "-e", program],
  env: {},
});

describe("parts", () => {
  test("one that fails does not stop the others, and says why", async () => {
    const parts = [
      part(
        "a",
        `console.log('{"kind":"x","value":1}'); console.log("noise"); throw Object.assign(new Error("out of luck"), { code: "E", more: { deep: 1 } })`,
      ),
      part("b", `console.log('{"kind":"y"}')`),
      { ...part("c", ""), command: ["/no/such/program"] },
    ];
    const lines: string[] = [];
    const counts: number[] = [];
    const [a, b, c] = await runParts(parts, {
      seconds: 60,
      say: (line: string) => lines.push(line),
      onResults: (results: unknown[]) => counts.push(results.length),
    });
    assert.deepEqual(counts, [1, 2, 3], "told after each part");
    const text = lines.join("\n");
    assert.match(text, /^\{"kind":"x","value":1\}$/m, "figures are told as they come");
    assert.match(text, /^noise$/m, "and all that a failed part said");
    assert.deepEqual(a!.figures, [{ kind: "x", value: 1 }]);
    assert.match(a!.failure!, /^it ended with code 1: Error: out of luck$/);
    assert.deepEqual([b!.figures, b!.failure], [[{ kind: "y" }], undefined]);
    assert.match(c!.failure!, /ENOENT/);
  });

  test("one that takes too long is stopped with what it started, and keeps its figures", async () => {
    const child = "require('child_process').spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'])";
    const program = `const c = ${child}; console.log(JSON.stringify({ pid: c.pid })); setInterval(() => {}, 1000)`;
    const [result] = await runParts([part("slow", program)], { seconds: 2, say });
    assert.equal(result!.failure, "stopped after 2 s");
    const [{ pid }] = result!.figures as [{ pid: number }];
    // It may be a zombie for a moment: its parent is gone too.
    for (let tries = 0; tries < 50 && isAlive(pid); tries++) await new Promise((resolve) => setTimeout(resolve, 100));
    assert.equal(isAlive(pid), false);
  });

  test("each has its share of the time, and what it leaves is there for the next", () => {
    const parts = [30, 10, 10].map((share) => part("", "", share));
    assert.equal(timeLeft(parts, 0, { seconds: 100, passed: 0 }), 60);
    assert.equal(timeLeft(parts, 1, { seconds: 100, passed: 10 }), 70);
    assert.equal(timeLeft(parts, 2, { seconds: 100, passed: 80 }), 20);
  });

  test("the end of the time ends each, and the rest is left out", async () => {
    const parts = [part("a", "setInterval(() => {}, 1000)"), part("b", "", 0)];
    const [a, b] = await runParts(parts, { seconds: 1.5, say });
    assert.match(a!.failure!, /^stopped after/);
    assert.deepEqual([b!.failure, b!.figures], ["no time was left", []]);
  });

  test("are told the same, and can be chosen", () => {
    assert.equal(partsFor({}, undefined).length, PART_IDS.length);
    const [chosen, ...others] = partsFor({ device: "cpu" }, ["guard"]);
    assert.deepEqual([chosen!.id, others.length], ["guard", 0]);
    assert.deepEqual(JSON.parse(chosen!.command.at(-1)!), { device: "cpu" });
  });
});

test("a trace is summed up by its last call", () => {
  const lines = [
    "A\t1000\t2000\tcudaMalloc",
    "K\t3000\t9000\tvoid first<float>",
    "A\t99000000\t99500000\tcudaLaunchKernel",
    "K\t100000000\t101000000\tvoid second<float>",
    "C\t100500000\t102000000\tupload",
    "K\t104000000\t105000000\tvoid second<float>",
  ];
  assert.deepEqual(summarize(lines.join("\n")), {
    kernels: 2,
    busy: 3,
    span: 5,
    copies: 1.5,
    work: ["2.000 ms, 2 x second<float>", "1.500 ms, 1 x upload"],
    calls: ["0.500 ms, 1 x cudaLaunchKernel"],
  });
  assert.throws(() => summarize(""), /CUPTI recorded nothing/);
});

describe("the record", () => {
  const timing = { p25: 1, p75: 3, runs: 5 };
  const tower = (contender: string, batch: number, median: number) => ({
    kind: "tower",
    model: "clip-b32",
    contender,
    batch,
    dtype: "float16",
    median,
    ...timing,
  });
  const figures = [
    tower("clip-blip", 256, 5),
    tower("clip-blip", 1, 0.7),
    tower("transformers eager", 1, 7),
    { kind: "guard", policy: "after-call", costPercent: 1.5 },
  ];

  test("holds what was measured to the aims, and calls the rest not measured", () => {
    const aims = new Map(judgeAims(figures).map((aim) => [aim.what, aim]));
    assert.equal(aims.get("ViT-B/32 image tower, large batches")!.value, 51_200);
    assert.equal(aims.get("ViT-B/32 image tower, batch 1")!.met, false);
    assert.equal(aims.get("ViT-B/32, batch 1, against transformers eager")!.met, true);
    assert.equal(aims.get("the cache guard costs, batch 64")!.met, true);
    const captions = aims.get("BLIP base captions, batch 1")!;
    assert.deepEqual([captions.met, captions.measured], [undefined, "not measured"]);
    assert.equal(aims.get("ViT-L/14 image tower, large batches")!.met, undefined);
  });

  test("as Markdown, with the parts that failed and why", () => {
    const machine = {
      cpu: "A CPU",
      cores: 2,
      instructions: [],
      memoryGiB: 8,
      system: "linux 6.1 x64",
      node: "v20",
      gpu: "A GPU",
      driver: "1.2",
    };
    const parts = [
      { id: "towers", seconds: 3, figures, failure: undefined },
      { id: "load", seconds: 40, figures: [], failure: "stopped after 40 s" },
    ];
    const page = report({
      date: "2026-01-02",
      command: "node record.mjs",
      machine,
      versions: { torch: "2" },
      settings: { device: "cuda", small: false },
      parts,
      aims: judgeAims(figures),
    });
    assert.match(page, /A GPU, driver 1\.2; Node v20/);
    assert.match(page, /^\| CLIP ViT-B\/32, tower \| 256 +\| clip-blip +\| float16 \| 5 ms +\| 1 – 3 +\| 51,200/m);
    assert.match(page, /^\| load +\| 40 +\| stopped after 40 s \|$/m);
    assert.match(page, /costPercent 1\.5/);
  });
});

describe("a rehearsal", () => {
  test("has what builds on its PATH, and neither npm nor xz", () => {
    const bin = mkdtempSync(join(tmpdir(), "clip-blip-bin-"));
    try {
      linkTools(bin);
      const sh = (command: string) =>
        spawnSync(join(bin, "sh"), ["-c", command], { env: { PATH: bin }, encoding: "utf8" });
      for (const name of ["npm", "npx", "node", "xz"]) assert.notEqual(sh(`command -v ${name}`).status, 0, name);
      assert.equal(sh("echo works | cat").stdout, "works\n");
      assert.equal(sh("nvidia-smi --query-gpu=name,driver_version").stdout, "stand-in, 0\n");
    } finally {
      rmSync(bin, { recursive: true });
    }
  });

  test("takes nothing for an end as on a card but figures, and tests that passed", () => {
    const passed = { kind: "test", what: "one", outcome: "passed" };
    const skipped = { kind: "test", what: "other", outcome: "skipped" };
    assert.equal(troubleOf({ figures: [passed] }), undefined);
    assert.equal(troubleOf({ figures: [passed, skipped] }), "a test was skipped: other");
    assert.equal(troubleOf({ figures: [passed], failure: "stopped after 2 s" }), "stopped after 2 s");
    assert.equal(troubleOf({ figures: [] }), "it gave no figure");
    assert.equal(troubleOf(undefined), "it did not run");
  });
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
