import { readFile, realpath, stat, writeFile } from "node:fs/promises";
import { isDeepStrictEqual } from "node:util";
import { brief } from "../../common/quote.js";
import { UsageError } from "../failures.js";

/** What made a file of results. Another run continues the file only if all of this is the same. */
export interface Run {
  command: string;
  /** Source of the model: the real path of a file or folder, else as it was given. */
  model: string;
  /** Options that change the results, with the revision and the folder of the model. */
  options: Record<string, unknown>;
}

/** Describes a run; options that were not given are left out. */
export async function describeRun(
  command: string,
  { model, revision, subfolder }: { model: string; revision?: string; subfolder?: string },
  options: object,
): Promise<Run> {
  const given = Object.entries({ revision, subfolder, ...options }).filter(([, value]) => value !== undefined);
  return { command, model: await realpath(model).catch(() => model), options: Object.fromEntries(given) };
}

/** The file beside `path` that records the run. */
export function runPath(path: string): string {
  return `${path}.meta.json`;
}

/** @throws UsageError if the existing file `path` was made by another run; `files` are to be deleted to start over */
export function assertSameRun(path: string, before: Partial<Run>, now: Run, files: string[]): void {
  if (isDeepStrictEqual(before, now)) return;
  const differs = (["command", "model", "options"] as const).filter((key) => !isDeepStrictEqual(before[key], now[key]));
  const shown = differs.map((key) => `${key} ${told(before[key])}, not ${told(now[key])}`);
  throw new UsageError(
    `${brief(path)} holds results of another run (${shown.join("; ")}): choose another --out, or delete ${files.map(brief).join(" and ")}.`,
  );
}

function told(value: unknown): string {
  return brief(JSON.stringify(value) ?? "none");
}

/** Reads which run made the file `path`; undefined if the file is empty, or its run is not recorded. */
export async function readRun(path: string): Promise<Partial<Run> | undefined> {
  const size = await stat(path).then(
    (status) => status.size,
    () => 0,
  );
  if (size === 0) return undefined;
  try {
    return JSON.parse(await readFile(runPath(path), "utf8"));
  } catch {
    return undefined;
  }
}

/** Records beside `path` which run makes it. */
export async function writeRun(path: string, run: Run): Promise<void> {
  await writeFile(runPath(path), `${JSON.stringify(run, null, 2)}\n`);
}
