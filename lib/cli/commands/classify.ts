import type { Command } from "commander";
import { ClipBlipError } from "../../common/errors.js";
import type { CliContext } from "../context.js";
import { UsageError } from "../failures.js";
import { nameOf, type Picture, runJob } from "../job.js";
import type { CliClip } from "../library.js";
import { addModelOptions, loadModel, type ModelFlags } from "../options.js";
import { failure, type Outcome } from "../outcome.js";
import { jsonl } from "../output/jsonl.js";
import { chooseFormat, openRecords } from "../output/open.js";
import { describeRun } from "../output/run.js";

type Classified = { labels: { label: string; score: number }[] };

interface ClassifyFlags extends ModelFlags {
  labels: string;
  template?: string;
  out?: string;
}

interface ClassifyOptions {
  template?: string;
  signal: AbortSignal;
}

/** Number of pictures in a call; each call embeds the labels once. */
const PICTURES_PER_CALL = 64;

/** Errors of a single picture, which do not affect the others. */
const PICTURE_ERRORS = ["ERR_IMAGE_NOT_FOUND", "ERR_IMAGE_DECODE", "ERR_IMAGE_TOO_LARGE", "ERR_OUT_OF_MEMORY"];

/** `clip-blip classify`: scores labels for pictures. */
export function addClassify(program: Command, context: CliContext, done: (exitCode: number) => void): void {
  const command = program
    .command("classify")
    .summary("score labels for pictures")
    .description(
      'Writes one line per picture, best label first: {"input": "a.jpg", "labels": [{"label": "dog", "score": 0.93}, ...]}. ' +
        "The scores of a picture sum to 1 (not with SigLIP).",
    )
    .argument("<images...>", "files, folders (searched recursively), glob patterns, or - for standard input")
    .requiredOption("-l, --labels <a,b,c>", "labels, separated by commas")
    .option("--template <sentence>", 'sentence for each label, with {} in its place (default: "a photo of {}")');
  addModelOptions(command, "CLIP_MODEL", context)
    .option("-o, --out <file>", "output file; an interrupted run is continued")
    .addHelpText(
      "after",
      `
Examples:
  $ clip-blip classify photos/ --labels "a dog,a cat,a horse"
  $ clip-blip classify scan.png --labels invoice,letter,form --template "a scan of a {}"`,
    )
    .action(async (inputs: string[], flags: ClassifyFlags) => done(await classify(context, inputs, flags)));
}

async function classify(context: CliContext, inputs: string[], flags: ClassifyFlags): Promise<number> {
  const { out, template } = flags;
  const labels = [...new Set(flags.labels.split(",").map((label) => label.trim()))].filter(Boolean);
  if (labels.length === 0) throw new UsageError("--labels needs at least one label.");
  chooseFormat(["jsonl"], { out });
  return runJob<Classified>(context, {
    inputs,
    unit: "images",
    toStdout: out === undefined,
    openWriter: async () =>
      openRecords(context, jsonl(), out, await describeRun("classify", flags, { labels, template })),
    run: async function* (paths) {
      const { ClipModel } = await context.library();
      const clip = await loadModel(context, flags, ClipModel);
      try {
        for (let start = 0; start < paths.length; start += PICTURES_PER_CALL) {
          const some = paths.slice(start, start + PICTURES_PER_CALL);
          yield* classifySome(clip, some, labels, { template, signal: context.signal });
        }
      } finally {
        await clip.close();
      }
    },
  });
}

/** Classifies pictures in one call, which is repeated without each picture that fails. */
async function* classifySome(
  clip: CliClip,
  pictures: Picture[],
  labels: string[],
  options: ClassifyOptions,
): AsyncGenerator<Outcome<Classified>> {
  let left = pictures;
  while (left.length > 0) {
    try {
      const results = await clip.classify(left, labels, options);
      for (const [index, input] of left.entries()) yield { input: nameOf(input), labels: results[index]! };
      return;
    } catch (error) {
      if (!(error instanceof ClipBlipError) || !PICTURE_ERRORS.includes(error.code)) throw error;
      const { index } = error;
      if (index === undefined) throw error;
      yield { input: nameOf(left[index]!), ...failure(error) };
      left = left.toSpliced(index, 1);
    }
  }
}
