import { join } from "node:path";
import { type Command, InvalidArgumentError } from "commander";
import { importPeer } from "../../common/peer.js";
import { brief } from "../../common/quote.js";
import type { ImageIndex, SearchResult } from "../../search/index.js";
import type { CliContext } from "../context.js";
import { FailureList, UsageError } from "../failures.js";
import { addModelOptions, loadModel, type ModelFlags, wholeNumber } from "../options.js";
import { type ProgressDisplay, showProgress } from "../progress.js";

interface SearchFlags extends ModelFlags {
  top: number;
  image?: string;
  duplicates?: number | true;
  exact?: boolean;
  index?: string;
  update: boolean;
  rebuild?: boolean;
  json?: boolean;
}

/** `clip-blip search`: the pictures of a folder that match a query. */
export function addSearch(program: Command, context: CliContext, done: (exitCode: number) => void): void {
  const command = program
    .command("search")
    .summary("search the pictures of a folder")
    .description(
      "Prints the pictures of a folder and its subfolders that match a query best, one per line: cosine similarity and " +
        "path. New and changed files are embedded first. The vectors are kept in an index beside the folder, " +
        "<folder>.clip-blip.",
    )
    .argument("<folder>", "folder with the pictures")
    .argument("[query]", "what to look for, in words")
    .option("-n, --top <n>", "maximum number of results", wholeNumber(1), 10)
    .option("-i, --image <file>", "search for pictures that look like this one")
    .option("--duplicates [similarity]", "print pairs of at least this similarity (default: 0.97)", cosine)
    .option("--exact", "compare with every picture, even in a very large index")
    .option("--json", "print one JSON object per line");
  addModelOptions(command, "CLIP_MODEL", context)
    .option("--index <path>", "folder of the index (default: <folder>.clip-blip)")
    .option("--no-update", "search the index without updating it")
    .option("--rebuild", "replace an index of another model")
    .addHelpText(
      "after",
      `
The index needs LanceDB: npm install @lancedb/lancedb

The exit code is 1 if there are no pictures, or if some failed that this run has tried to read. A
file that cannot be read as a picture is remembered and listed again, but it is not tried, and the
exit code is 0, until it changes.

Examples:
  $ clip-blip search photos/ "a dog on a beach"
  $ clip-blip search photos/ --image holiday.jpg --top 3
  $ clip-blip search photos/ --duplicates 0.95`,
    )
    .action(async (folder: string, query: string | undefined, flags: SearchFlags) =>
      done(await search(context, folder, query, flags)),
    );
}

async function search(
  context: CliContext,
  folder: string,
  query: string | undefined,
  flags: SearchFlags,
): Promise<number> {
  const wanted = [query, flags.image, flags.duplicates].filter((one) => one !== undefined);
  if (wanted.length !== 1) throw new UsageError("search needs exactly one of a query, --image and --duplicates.");
  // LanceDB writes its internal warnings to standard error.
  process.env.LANCE_LOG ??= "error";
  // Checked before the model is loaded, which takes time.
  await importPeer(() => import("@lancedb/lancedb"), "@lancedb/lancedb", "clip-blip search");
  const { ImageIndex } = await import("../../search/index.js");
  const { ClipModel } = await context.library();
  const { index: path, rebuild, revision, subfolder } = flags;
  const modelName = [flags.model, revision && `@${revision}`, subfolder && `/${subfolder}`].filter(Boolean).join("");
  const model = await loadModel(context, flags, ClipModel);
  let index: ImageIndex | undefined;
  try {
    const { signal } = context;
    index = await ImageIndex.open(folder, { model, modelName, path, rebuild, signal });
    const { failures, tried } = flags.update
      ? await update(context, index, folder)
      : { failures: new FailureList(), tried: false };
    if (flags.duplicates !== undefined) await printDuplicates(context, index, flags);
    else if (!(await printResults(context, index, query, flags)) && failures.count === 0) {
      context.stderr.write(`clip-blip: There are no pictures in ${brief(folder)}.\n`);
      return 1;
    }
    if (failures.count > 0) context.stderr.write(failures.report("of the pictures cannot be read"));
    // What an earlier run has failed at and this one has not tried is no failure of this one.
    return tried ? 1 : 0;
  } finally {
    await index?.close();
    await model.close();
  }
}

/** Updates the index, with a progress bar. `tried`: whether something failed in this run. */
async function update(
  context: CliContext,
  index: ImageIndex,
  folder: string,
): Promise<{ failures: FailureList; tried: boolean }> {
  let progress: Promise<ProgressDisplay> | undefined;
  try {
    const { failed } = await index.update({
      signal: context.signal,
      onProgress: ({ total }) => {
        progress ??= showProgress(context, { total, unit: "images", toStdout: false });
        void progress.then((display) => display.step());
      },
    });
    const failures = new FailureList();
    for (const { path, error } of failed) failures.add({ input: join(folder, path), error });
    return { failures, tried: failed.some(({ tried }) => tried) };
  } finally {
    (await progress)?.stop();
  }
}

/** Prints the results. False if there are none. */
async function printResults(
  { stdout, signal }: CliContext,
  index: ImageIndex,
  query: string | undefined,
  { top, exact, image, json }: SearchFlags,
): Promise<boolean> {
  const options = { top, exact, signal };
  const found = image === undefined ? await index.searchText(query!, options) : await index.searchImage(image, options);
  const line = ({ path, score }: SearchResult) =>
    json ? JSON.stringify({ input: path, score }) : `${score.toFixed(4)}  ${path}`;
  stdout.write(found.map((result) => `${line(result)}\n`).join(""));
  return found.length > 0;
}

async function printDuplicates(
  { stdout, signal }: CliContext,
  index: ImageIndex,
  { duplicates, exact, json }: SearchFlags,
): Promise<void> {
  const threshold = duplicates === true ? undefined : duplicates;
  for await (const { paths, score } of index.duplicates({ threshold, exact, signal })) {
    stdout.write(`${json ? JSON.stringify({ inputs: paths, score }) : `${score.toFixed(4)}  ${paths.join("  ")}`}\n`);
  }
}

function cosine(text: string): number {
  const number = Number(text);
  if (number > 0 && number <= 1) return number;
  throw new InvalidArgumentError("Expected a number above 0 and at most 1.");
}
