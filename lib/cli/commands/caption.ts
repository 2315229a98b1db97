import { type Command, Option } from "commander";
import type { CliContext } from "../context.js";
import { outcomeOf, runJob } from "../job.js";
import { addModelOptions, loadModel, type ModelFlags, wholeNumber } from "../options.js";
import { csv } from "../output/csv.js";
import { html } from "../output/html.js";
import { jsonl } from "../output/jsonl.js";
import { chooseFormat, openRecords } from "../output/open.js";
import type { ParquetValue } from "../output/parquet.js";
import { describeRun } from "../output/run.js";
import type { RecordFormat } from "../output/writer.js";

interface CaptionFlags extends ModelFlags {
  prompt?: string;
  numBeams?: number;
  maxLength?: number;
  minLength?: number;
  out?: string;
  format?: string;
}

type Captioned = { caption: string };

const FORMATS = ["jsonl", "csv", "html", "parquet"] as const;

/** The text formats; the page names the model. */
const records = (model: string): Record<"jsonl" | "csv" | "html", RecordFormat<Captioned>> => ({
  jsonl: jsonl(),
  csv: csv(["input"], "caption", ({ caption }) => caption),
  html: html(model),
});

const PARQUET: ParquetValue<Captioned> = {
  name: "caption",
  schema: [{ name: "caption", repetition_type: "OPTIONAL", type: "BYTE_ARRAY", converted_type: "UTF8" }],
  of: ({ caption }) => caption,
};

/** `clip-blip caption`: pictures to sentences. */
export function addCaption(program: Command, context: CliContext, done: (exitCode: number) => void): void {
  const command = program
    .command("caption")
    .summary("caption pictures")
    .description(
      'Writes one line per picture: {"input": "a.jpg", "caption": "..."}, or {"input": "b.jpg", "error": {"code", ' +
        '"message"}} if it cannot be read.',
    )
    .argument("<images...>", "files, folders (searched recursively), glob patterns, or - for standard input");
  addModelOptions(command, "BLIP_MODEL", context)
    .option("-p, --prompt <words>", "text that every caption begins with")
    .option("--num-beams <n>", "number of beams; more are better but slower (default: the model's)", wholeNumber(1))
    .option("--max-length <n>", "maximum tokens of a caption and its prompt (default: the model's)", wholeNumber(2))
    .option("--min-length <n>", "minimum tokens of a caption and its prompt (default: the model's)", wholeNumber(0))
    .option("-o, --out <file>", "output file; an interrupted run is continued")
    .addOption(
      new Option("--format <name>", "output format (default: by the extension of --out, else jsonl)").choices(FORMATS),
    )
    .addHelpText(
      "after",
      `
html is a page of thumbnails with their captions, in one file. <file>.meta.json (with parquet, the
file itself) records the model and the options; only a run with the same ones continues the file.

Examples:
  $ clip-blip caption photos/ --out photos.html
  $ clip-blip caption photos/*.jpg --prompt "a photograph of"
  $ clip-blip caption photos/ --model Salesforce/blip-image-captioning-base --out photos.csv`,
    )
    .action(async (inputs: string[], flags: CaptionFlags) => done(await caption(context, inputs, flags)));
}

async function caption(context: CliContext, inputs: string[], flags: CaptionFlags): Promise<number> {
  const { prompt, numBeams, maxLength, minLength, out } = flags;
  const options = { prompt, numBeams, maxLength, minLength };
  const format = chooseFormat(FORMATS, flags);
  return runJob<Captioned>(context, {
    inputs,
    unit: "images",
    toStdout: out === undefined,
    openWriter: async () => {
      const run = await describeRun("caption", flags, options);
      if (format !== "parquet") return openRecords(context, records(flags.model)[format], out, run);
      return (await import("../output/parquet.js")).ParquetFile.open(out!, PARQUET, run);
    },
    run: async function* (paths) {
      const { BlipModel } = await context.library();
      const blip = await loadModel(context, flags, BlipModel);
      try {
        for await (const item of blip.captionStream(paths, { ...options, signal: context.signal })) {
          yield outcomeOf(item, (done) => ({ caption: done.caption.text }));
        }
      } finally {
        await blip.close();
      }
    },
  });
}
