// --rehearse: the packed record as a machine with a card would run it, on the stand-in for CUDA of test/cuda-standin.
// This part of it runs in the repository.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { repositoryPath } from "../common/paths.mjs";
import { run } from "../common/run.mjs";
import { table } from "../common/table.mjs";
import { PART_IDS } from "./parts.mjs";
import { machine } from "./rehearsal-machine.mjs";

/** Rehearses the record from its archive; resolves with the exit code, 0 where all parts ended as on a card. */
export async function rehearse({ only, minutes, out }) {
  const folder = mkdtempSync(join(tmpdir(), "clip-blip-rehearsal-"));
  try {
    const env = await machine(folder).catch((error) => console.error(`There is no stand-in: ${error.message}`));
    if (!env) return 1;
    const archive = join(folder, "gpu-record.tar");
    run(process.execPath, [repositoryPath("bench", "gpu", "pack.mjs"), archive], { cwd: repositoryPath() });
    run("tar", ["-xf", archive, "-C", folder]);
    rmSync(archive);
    const results = out === undefined ? join(folder, "out") : resolve(out);
    const options = ["--small", "--minutes", minutes, "--out", results, ...(only ? ["--only", only.join()] : [])];
    const record = spawn("./bin/node", ["bench/gpu/record.mjs", ...options], {
      cwd: join(folder, "clip-blip"),
      stdio: ["ignore", "inherit", "inherit"],
      env,
    });
    await once(record, "close");
    const file = join(results, "gpu.json");
    return judge(only ?? PART_IDS, existsSync(file) ? JSON.parse(readFileSync(file, "utf8")).parts : []);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Prints how each part ended. */
function judge(ids, parts) {
  const troubles = ids.map((id) => troubleOf(parts.find((part) => part.id === id)));
  const rows = ids.map((id, index) => [id, troubles[index] ?? "as on a card"]);
  process.stdout.write(`\n${table([["part", "rehearsed"], ...rows])}\n`);
  return troubles.some(Boolean) ? 1 : 0;
}

/** Why a part did not end as it would on a card; undefined where it did. */
export function troubleOf(part) {
  if (part === undefined) return "it did not run";
  if (part.failure) return part.failure;
  if (part.figures.length === 0) return "it gave no figure";
  const test = part.figures.find(({ kind, outcome }) => kind === "test" && outcome !== "passed");
  return test && `a test was ${test.outcome}: ${test.what}`;
}
