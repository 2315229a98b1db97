import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, test } from "vitest";
import { judge } from "../../bench/common/aims.mjs";
import { Child } from "../../bench/common/child.mjs";
import { ratio, summary } from "../../bench/common/statistics.mjs";
import { gpuSection } from "../../bench/compare/gpu-section.mjs";
import { plot } from "../../bench/compare/plot.mjs";
import { record } from "../../bench/compare/record.mjs";
import { resultsOf } from "../../bench/compare/results.mjs";
import { runTask } from "../../bench/compare/run-task.mjs";
import { compareTasks } from "../../bench/compare/tasks.mjs";

const folder = mkdtempSync(join(tmpdir(), "clip-blip-compare-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const program = fileURLToPath(new URL("support/contender.mjs", import.meta.url));
const start = () => new Child(process.execPath, [program]);
const say = () => {};
const contender = (id: string, more = {}, variant?: string) => ({
  id,
  program: "p",
  parameters: { name: id, ...more },
  variant,
});
let logs = 0;
const newLog = () => join(folder, `log-${logs++}`);
const linesOf = (log: string) => readFileSync(log, "utf8").trim().split("\n");

describe("interleaving", () => {
  test("each contender runs once in each round, in turn, after its warm-up", async () => {
    const log = newLog();
    const task = { task: "count", contenders: [contender("A"), contender("B")], reference: "A" };
    const results = await runTask(task, { log }, { rounds: 3, start, say });
    const round = ["A run", "B run"];
    assert.deepEqual(linesOf(log), ["A prepare", "B prepare", ...Array(5).fill(round).flat()]);
    assert.deepEqual([results.times.A.length, results.times.B.length], [3, 3]);
    assert.ok(results.times.A.every((ms: number) => ms >= 0));
    assert.notEqual(results.facts.A.pid, results.facts.B.pid);
    assert.equal(results.agreement.A, 1);
    const cosine = (1 + 4 + 12) / Math.sqrt(21 * 14);
    assert.ok(Math.abs(results.agreement.B - cosine) < 1e-12);
    assert.deepEqual(results.failed, {});
  });

  test("variants of a contender share its process", async () => {
    const log = newLog();
    const parameters = { name: "A" };
    const contenders = ["x", "y"].map((variant) => ({ id: variant, program: "p", parameters, variant }));
    await runTask({ task: "count", contenders }, { log }, { rounds: 1, start, say });
    assert.deepEqual(linesOf(log), ["A prepare", ...Array(3).fill(["A runx", "A runy"]).flat()]);
  });

  test("a contender that fails is left out with its reason, and the others go on", async () => {
    const log = newLog();
    const contenders = [contender("A", { fails: true }), contender("B"), contender("C", { task: "no such task" })];
    const { times, failed } = await runTask({ task: "count", contenders }, { log }, { rounds: 2, start, say });
    assert.deepEqual(Object.keys(times), ["B"]);
    assert.equal(times.B.length, 2);
    assert.equal(failed.A, "no more of this");
    assert.match(failed.C, /tasks\[name\] is not a function/);
    assert.equal(linesOf(log).filter((line) => line === "A run").length, 1);
  });

  test("a program that ends is a failure with its exit code", async () => {
    const contenders = [contender("A")];
    const { times, failed } = await runTask({ task: "end", contenders }, {}, { rounds: 1, start, say });
    assert.deepEqual(times, {});
    assert.match(failed.A, /it ended with code 3/);
  });

  test("where each run is to be in a new process, it is", async () => {
    const log = newLog();
    const task = { task: "parts", fresh: true, contenders: [contender("A")] };
    const { parts } = await runTask(task, { log }, { rounds: 3, start, say });
    assert.equal(parts.A.length, 3);
    assert.equal(new Set(linesOf(log)).size, 4, "three rounds and a warm-up");
  });

  test("a call that takes too long rejects, and the program can be closed", async () => {
    const child = new Child(process.execPath, ["-e", "setInterval(() => {}, 1000)"]);
    await assert.rejects(child.call("run", {}, 50), /run took longer than 0.05 s/);
    await child.close();
    await assert.rejects(new Child("/no/such/program", []).call("run"), /ENOENT/);
  });
});

describe("figures", () => {
  test("medians, quartiles and ratios within rounds", () => {
    assert.deepEqual(summary([4, 1, 3, 2, 5]), { median: 3, p25: 2, p75: 4, runs: 5 });
    assert.equal(summary([1, 2]).median, 1.5);
    // The machine was ten times slower in the second round: the ratio does not move.
    assert.equal(ratio([2, 20, 2], [1, 10, 1]), 2);
  });

  test("results answer what aims ask", () => {
    const times = { ours: [1, 2, 3], theirs: [2, 4, 9] };
    const results = resultsOf({ times, parts: { ours: [{ load: 1 }, { load: 3 }] }, agreement: {} });
    assert.equal(results.ratio("theirs", "ours"), 2);
    assert.equal(results.extra("theirs", "ours"), 2);
    assert.deepEqual(results.parts, { ours: { load: 2 } });
    assert.equal(results.summaries.theirs!.median, 4);
  });

  test("an aim is met, missed or not measured", () => {
    const aim = { what: "speed", least: 2, unit: "x" };
    assert.deepEqual(
      [judge(aim, 2.5).met, judge(aim, 1.999).met, judge(aim, Number.NaN).met],
      [true, false, undefined],
    );
    assert.equal(judge({ what: "time", most: 10, unit: "ms" }, 10).met, true);
    assert.equal(judge({ what: "time", most: 10, unit: "ms" }, 10.1).aim, "at most 10 ms");
    // Rounded to three digits it would look like an aim that was met.
    assert.equal(judge({ what: "cosine", least: 0.9999, exact: true }, 0.99987).measured, "0.999870");
  });

  test("every aim of every task can be worked out from full results", () => {
    for (const device of ["cpu", "cuda"]) {
      for (const { contenders, aims, id } of compareTasks(device)) {
        const each = <T>(value: T) => Object.fromEntries(contenders.map((one: { id: string }) => [one.id, value]));
        const parts = each([{ load: 1, first: 1, second: 1, loopP99: 1, readMax: 1 }]);
        const results = resultsOf({ times: each([1, 1]), parts, agreement: each(1) });
        for (const aim of aims) assert.ok(Number.isFinite(judge(aim, aim.value(results)).value), `${id}: ${aim.what}`);
      }
    }
  });
});

describe("the record", () => {
  const times = { "clip-blip default dtype": [10, 12, 11], "others <fast>": [20, 26, 22] };
  const { summaries } = resultsOf({ times, parts: {}, agreement: {} });
  const machine = {
    cpu: "A CPU",
    cores: 2,
    instructions: ["avx2"],
    memoryGiB: 8,
    system: "linux 6.1 x64",
    node: "v20",
  };
  const aims = [judge({ what: "ours | theirs", least: 2, unit: "x" }, 2)];
  const task = { id: "t", title: "A task", items: 2, rounds: 3, summaries, parts: {}, agreement: {}, aims };
  const loads = {
    ...task,
    id: "l",
    title: "Loading",
    summaries: {},
    parts: { a: { load: 1234 } },
    aims: [],
    failed: { b: "gone" },
  };
  const data = {
    ...{ date: "2026-01-02", command: "npm run bench:compare", device: "cpu", small: false, machine },
    versions: { "clip-blip": "1.2.3" },
    results: [{ ...task, failed: {} }, loads],
  };

  test("as Markdown", () => {
    const page = record(data, { plot: "results/plot.svg" });
    assert.match(page, /^- Machine: A CPU, 2 cores \(avx2\), 8 GiB, linux 6.1 x64; Node v20$/m);
    assert.match(page, /^\| t +\| ours \\\| theirs \| at least 2 x \| 2 x +\| yes \|$/m);
    assert.match(page, /^\| others <fast> +\| +22 ms \| +21 – 24 \| +90.9 \| +2 \|$/m);
    assert.match(page, /^\| a +\| 1,234 \|$/m);
    assert.match(page, /^b failed: gone$/m);
  });

  test("says of a GPU what was measured there, or that nothing was", () => {
    const nothing = gpuSection(folder);
    assert.match(nothing, /^Not measured: /m);
    const rows = nothing.split("\n").filter((line) => line.startsWith("| ") && !/^\| (what|---)/.test(line));
    assert.ok(rows.length > 10 && rows.every((row) => /not measured +\| – +\|$/.test(row)), rows.join("\n"));
    const measured = { date: "2026-01-02", settings: { device: "cuda" }, aims: [judge({ what: "a", least: 1 }, 2)] };
    writeFileSync(join(folder, "gpu.json"), JSON.stringify(measured));
    assert.match(gpuSection(folder), /^Measured on 2026-01-02 on cuda: \[GPU.md\]\(results\/GPU.md\)\.$/m);
    assert.match(gpuSection(folder), /^\| a +\| at least 1 \| 2 +\| yes \|$/m);
    // A later run of some parts: what it measured decides, what it left out stays.
    const aims = (first?: number, second?: number) => [
      judge({ what: "a", least: 1 }, first),
      judge({ what: "b", least: 1 }, second),
    ];
    const machine = { gpu: "A GPU" };
    writeFileSync(join(folder, "gpu.json"), JSON.stringify({ ...measured, machine, aims: aims(2, 0.5) }));
    writeFileSync(join(folder, "gpu-again.json"), JSON.stringify({ ...measured, machine, aims: aims(undefined, 3) }));
    assert.match(gpuSection(folder), /^Some parts again, .* 2026-01-02 on A GPU: \[GPU-again.md\]/m);
    assert.match(gpuSection(folder), /^\| a +\| at least 1 \| 2 +\| +\| yes \|$/m);
    assert.match(gpuSection(folder), /^\| b +\| at least 1 \| 0.5 +\| 3 +\| yes \|$/m);
  });

  test("as a picture: a panel for each task with times, text escaped", () => {
    const svg = plot(data);
    assert.match(svg, />A task</);
    assert.doesNotMatch(svg, /Loading|<fast>/);
    assert.match(svg, /others &lt;fast&gt;/);
    const widths = [...svg.matchAll(/class="(?:ours|theirs)" x="\d+" y="\d+" width="([\d.]+)"/g)].map((match) =>
      Number(match[1]),
    );
    assert.ok(Math.abs(widths[1]! / widths[0]! - 2) < 0.01, "bars are as long as the medians");
  });
});
