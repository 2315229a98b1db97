// npm run gpu:record, or plain `node bench/gpu/record.mjs` on a machine without npm: builds, proves and measures on a CUDA
// machine, in one call. README.md beside this file says what it needs.
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { machine } from "../common/machine.mjs";
import { repositoryPath } from "../common/paths.mjs";
import { judgeAims } from "./aims.mjs";
import { PART_IDS, partsFor } from "./parts.mjs";
import { report } from "./report.mjs";
import { runParts } from "./run-parts.mjs";
import { onStandIn } from "./settings.mjs";

const USAGE = `node bench/gpu/record.mjs [options]

  --only a,b       some parts only: ${PART_IDS.join(", ")}
  --device D       cuda (default), cuda:1 or cpu
  --small          small models and batches: shows that all works, not how fast it is
  --minutes N      all parts together (default: 8.5, rehearsed 90)
  --work FOLDER    where checkpoints and pictures are made and kept (default: a temporary folder)
  --out FOLDER     where gpu.json and GPU.md go (default: bench/results, rehearsed nowhere)
  --rehearse       without a card: runs the packed record on a stand-in for CUDA, which computes nothing
`;

const { values: flags } = parseArgs({
  options: {
    only: { type: "string" },
    device: { type: "string", default: "cuda" },
    small: { type: "boolean", default: false },
    minutes: { type: "string" },
    work: { type: "string" },
    out: { type: "string" },
    rehearse: { type: "boolean", default: false },
    help: { type: "boolean" },
  },
});

/** Rehearsed, it is not the time that is tried: a desktop builds for minutes what a card's machine builds in one. */
const minutes = flags.minutes ?? (flags.rehearse ? "90" : "8.5");
const out = flags.out ?? repositoryPath("bench", "results");

async function main() {
  const only = flags.only?.split(",");
  const unknown = only?.find((id) => !PART_IDS.includes(id));
  if (unknown) throw new Error(`There is no part ${unknown}: the parts are ${PART_IDS.join(", ")}.`);
  if (flags.rehearse) {
    if (flags.work || flags.device !== "cuda") throw new Error("A rehearsal takes neither --work nor --device.");
    // It needs packages that the archive has not got.
    const { rehearse } = await import("./rehearse.mjs");
    process.exitCode = await rehearse({ only, minutes, out: flags.out });
    return;
  }
  const python = process.env.CLIP_BLIP_PYTHON ?? "python3";
  const versions = pythonVersions(python);
  const work = flags.work ?? mkdtempSync(join(tmpdir(), "clip-blip-gpu-record-"));
  const { libtorch, ...shown } = versions;
  const told = {
    ...sizes(flags.small),
    device: flags.device,
    small: flags.small,
    python,
    work,
    libtorch: process.env.LIBTORCH ?? libtorch,
  };
  // The parts find the LibTorch that the addon is built against.
  if (told.libtorch) process.env.LIBTORCH = told.libtorch;
  try {
    const about = {
      date: new Date().toISOString().slice(0, 10),
      command: command(),
      machine: machine(),
      versions: shown,
      settings: { device: flags.device, small: flags.small, onStandIn },
    };
    const parts = await runParts(partsFor(told, only), {
      seconds: 60 * Number(minutes),
      say: (line) => console.error(line),
      // Written as it grows: whoever stops this program keeps what there is.
      onResults: (parts) => {
        const figures = onStandIn ? [] : parts.flatMap(({ figures }) => figures);
        write({ ...about, aims: judgeAims(figures), parts });
      },
    });
    process.stdout.write(readFileSync(join(out, "GPU.md")));
    if (parts.some(({ failure }) => failure)) process.exitCode = 1;
  } finally {
    if (!flags.work) rmSync(work, { recursive: true, force: true });
  }
}

/** How much each part runs. */
function sizes(small) {
  return small
    ? { batches: [1, 2], captionBatches: [1, 2], tokens: 6, seconds: 0.2, largestSafe: 4, loadRounds: 3 }
    : { batches: [1, 8, 64, 256], captionBatches: [1, 64], tokens: 20, seconds: 1, largestSafe: 4096, loadRounds: 40 };
}

/** What Python has; empty where there is none. */
function pythonVersions(python) {
  const code =
    "import json, os, torch, transformers; print(json.dumps({'torch (Python)': torch.__version__, " +
    "'transformers (Python)': transformers.__version__, 'CUDA': torch.version.cuda or 'none', 'libtorch': os.path.dirname(torch.__file__)}))";
  const { status, stdout } = spawnSync(python, ["-c", code], { encoding: "utf8" });
  return status === 0 ? JSON.parse(stdout) : {};
}

/** The command line, without the paths of this machine. */
function command() {
  const { only, device, small } = flags;
  const options = Object.entries({ ...(only && { only }), device, minutes }).map(
    ([name, value]) => `--${name} ${value}`,
  );
  return ["node bench/gpu/record.mjs", ...options, ...(small ? ["--small"] : [])].join(" ");
}

function write(data) {
  mkdirSync(out, { recursive: true });
  writeFileSync(join(out, "gpu.json"), `${JSON.stringify(withoutPaths(data), null, 2)}\n`);
  writeFileSync(join(out, "GPU.md"), report(withoutPaths(data)));
}

/** Failures quote messages, which may name folders of this machine. */
function withoutPaths(data) {
  const root = dirname(repositoryPath("package.json"));
  const clean = (text) =>
    text.replaceAll(root, ".").replaceAll(/(?<!\w)\/[\w.+-]+(?:\/[\w.+-]+)+/g, (path) => path.split("/").at(-1));
  return JSON.parse(JSON.stringify(data), (_, value) => (typeof value === "string" ? clean(value) : value));
}

if (flags.help) process.stdout.write(USAGE);
else await main();
