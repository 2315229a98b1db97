import { type Command, Option } from "commander";
import type { CliContext } from "../context.js";
import { outcomeOf, runJob } from "../job.js";
import { addModelOptions, loadModel, type ModelFlags, wholeNumber } from "../options.js";
import { csv } from "../output/csv.js";
import { chooseFormat } from "../output/format.js";
import { html } from "../output/html.js";
import { jsonl } from "../output/jsonl.js";
import { RecordFile } from "../output/record-file.js";
import { RecordStream } from "../output/record-stream.js";
import type { RecordFormat } from "../output/writer.js";

interface CaptionFlags extends ModelFlags {
  prompt?: string;
  maxLength?: number;
  minLength?: number;
  out?: string;
  format?: string;
}

const FORMATS = ["jsonl", "csv", "html"] as const;
const RECORDS: Record<(typeof FORMATS)[number], RecordFormat<{ caption: string }>> = { jsonl: jsonl(), csv, html };

/** `clip-blip caption`: pictures to sentences. */
export function addCaption(program: Command, context: CliContext, done: (exitCode: number) => void): void {
  const command = program
    .command("caption")
    .summary("pictures to sentences")
    .description(
      'Writes one line a picture: {"input": "a.jpg", "caption": "..."} or, where it cannot be read, {"input": "b.jpg", ' +
        '"error": {"code", "message"}}.',
    )
    .argument("<images...>", "files, folders (with all below them) and patterns");
  addModelOptions(command, "BLIP_MODEL", context)
    .option("-p, --prompt <words>", "what every caption begins with")
    .option("--max-length <n>", "tokens of a caption at most, prompt included (default: the model's)", wholeNumber(2))
    .option("--min-length <n>", "tokens before which a caption does not end (default: the model's)", wholeNumber(0))
    .option("-o, --out <file>", "write there, and go on where an earlier run stopped")
    .addOption(new Option("--format <name>", "default: by the ending of --out, else jsonl").choices(FORMATS))
    .addHelpText(
      "after",
      `
html is a page of thumbnails with their captions, in one file.

Examples:
  $ clip-blip caption photos/ --out photos.html
  $ clip-blip caption photos/*.jpg --prompt "a photograph of"
  $ clip-blip caption photos/ --model Salesforce/blip-image-captioning-base --out photos.csv`,
    )
    .action(async (inputs: string[], flags: CaptionFlags) => done(await caption(context, inputs, flags)));
}

async function caption(context: CliContext, inputs: string[], flags: CaptionFlags): Promise<number> {
  const { prompt, maxLength, minLength, out } = flags;
  const format = RECORDS[chooseFormat(FORMATS, flags)];
  return runJob(context, {
    inputs,
    unit: "images",
    toStdout: out === undefined,
    openWriter: async () =>
      out === undefined ? new RecordStream(context.stdout, format) : RecordFile.open(out, format),
    run: async function* (paths) {
      const { BlipModel } = await context.library();
      const blip = await loadModel(context, flags, BlipModel);
      try {
        const options = { prompt, maxLength, minLength, signal: context.signal };
        for await (const item of blip.captionStream(paths, options)) {
          yield outcomeOf(item, (done) => ({ caption: done.caption.text }));
        }
      } finally {
        await blip.close();
      }
    },
  });
}
