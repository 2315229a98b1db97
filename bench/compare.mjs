// npm run bench:compare: this library next to onnxruntime-node, transformers.js and transformers in Python, on the same
// weights and pictures. bench/README.md says how it measures.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { exportCheckpoint } from "clip-blip";
import { judge } from "./common/aims.mjs";
import { CHECKPOINTS } from "./common/checkpoints.mjs";
import { machine } from "./common/machine.mjs";
import { repositoryPath } from "./common/paths.mjs";
import { photoFiles, pixelFile } from "./common/pictures.mjs";
import { startContender } from "./compare/contenders.mjs";
import { gpuSection } from "./compare/gpu-section.mjs";
import { installPackages, PEER_PACKAGES, peersCheckpoint, peersFolder, peersPython } from "./compare/peers.mjs";
import { plot } from "./compare/plot.mjs";
import { record } from "./compare/record.mjs";
import { resultsOf } from "./compare/results.mjs";
import { runTask } from "./compare/run-task.mjs";
import { compareTasks } from "./compare/tasks.mjs";
import { versions } from "./compare/versions.mjs";

const USAGE = `npm run bench:compare -- [options]

  --only a,b     some tasks only: ${compareTasks("cpu")
    .map(({ id }) => id)
    .join(", ")}
  --quick        few rounds: shows that all works, not how fast it is
  --small        small models instead of full-size ones, likewise
  --device D     cpu (default), cuda or cuda:1
  --out FOLDER   where the JSON file, the table and the plot go (default: build/bench)
  --json FILE    writes the JSON file there
  --record       writes bench/RECORD.md and bench/results instead: the figures of the repository
`;

const { values: flags } = parseArgs({
  options: {
    only: { type: "string" },
    quick: { type: "boolean" },
    small: { type: "boolean" },
    device: { type: "string", default: "cpu" },
    out: { type: "string", default: repositoryPath("build", "bench") },
    json: { type: "string" },
    record: { type: "boolean" },
    help: { type: "boolean" },
  },
});

async function compare() {
  const tasks = chosen(compareTasks(flags.device));
  const folder = peersFolder();
  installPackages(folder);
  const python = peersPython(folder);
  const scratch = mkdtempSync(join(tmpdir(), "clip-blip-bench-"));
  const results = [];
  try {
    for (const task of tasks) {
      const inputs = await inputsOf(task, { folder, python, scratch });
      const rounds = flags.quick ? Math.min(task.rounds, 3) : task.rounds;
      const measured = await runTask(flags.quick ? shortened(task) : task, inputs, {
        rounds,
        start: (contender) => startContender(contender, python),
        say: progress(task),
      });
      const answers = resultsOf(measured);
      const aims = task.aims.map((aim) => judge(aim, measuredValue(aim, answers)));
      const { times, facts, failed } = measured;
      const { summaries, parts, agreement } = answers;
      results.push({
        id: task.id,
        title: task.title,
        items: task.items,
        rounds,
        summaries,
        parts,
        agreement,
        aims,
        times,
        facts,
        failed,
      });
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true });
    if (process.stderr.isTTY) process.stderr.write("\r\x1b[2K");
  }
  write({
    date: new Date().toISOString().slice(0, 10),
    command: command(),
    machine: machine(),
    versions: { ...versions(python), ...PEER_PACKAGES },
    device: flags.device,
    small: flags.small === true,
    results,
  });
}

/** The command line, without the paths of this machine. */
function command() {
  const { out, json, device, ...told } = flags;
  const options = Object.entries(told).map(([name, value]) => (value === true ? `--${name}` : `--${name} ${value}`));
  if (device !== "cpu") options.push(`--device ${device}`);
  return ["npm run bench:compare", ...(options.length ? ["--", ...options] : [])].join(" ");
}

function chosen(tasks) {
  if (!flags.only) return tasks;
  const ids = flags.only.split(",");
  const unknown = ids.find((id) => !tasks.some((task) => task.id === id));
  if (unknown) throw new Error(`There is no task ${unknown}: the tasks are ${tasks.map(({ id }) => id).join(", ")}.`);
  return tasks.filter(({ id }) => ids.includes(id));
}

/** The paths that a task needs; what is not there yet is made. */
async function inputsOf(task, { folder, python, scratch }) {
  const { side } = CHECKPOINTS[task.model];
  const checkpoint = await peersCheckpoint(folder, task.model, { python, small: flags.small });
  const pictures = join(folder, "pictures");
  const inputs = { checkpoint, side, device: flags.device };
  inputs.pixels = await pixelFile(pictures, { side, count: 8 });
  if (task.photos) inputs.files = await photoFiles(pictures, task.photos);
  if (task.fresh) {
    inputs.archive = join(scratch, `${task.model}.pt`);
    await exportCheckpoint(checkpoint, inputs.archive);
  }
  return inputs;
}

function shortened(task) {
  return task.seconds ? { ...task, seconds: { ours: 3, peers: 3 } } : task;
}

/** undefined where a contender that the aim needs is missing. */
function measuredValue(aim, results) {
  try {
    return aim.value(results);
  } catch {
    return undefined;
  }
}

function progress(task) {
  return (line) => {
    if (process.stderr.isTTY) process.stderr.write(`\r\x1b[2K${task.id}: ${line}`);
    else if (!line.startsWith("round")) console.error(`${task.id}: ${line}`);
  };
}

function write(data) {
  const name = `compare-${data.device.replace(":", "-")}`;
  const out = flags.record ? repositoryPath("bench", "results") : flags.out;
  mkdirSync(out, { recursive: true });
  const json = `${JSON.stringify(data, null, 2)}\n`;
  writeFileSync(flags.json ?? join(out, `${name}.json`), json);
  writeFileSync(join(out, `${name}.svg`), plot(data));
  const page = record(data, { plot: flags.record ? `results/${name}.svg` : `${name}.svg` });
  const text = flags.record ? `${page}\n${gpuSection(out)}` : page;
  writeFileSync(flags.record ? repositoryPath("bench", "RECORD.md") : join(out, `${name}.md`), text);
  process.stdout.write(`${text}\n`);
}

if (flags.help) process.stdout.write(USAGE);
else await compare();
