import { type Command, Option } from "commander";
import { shortNumbers } from "../../common/numbers.js";
import type { CliContext } from "../context.js";
import { UsageError } from "../failures.js";
import { outcomeOf, type Picture, runJob } from "../job.js";
import type { CliClip } from "../library.js";
import { addModelOptions, loadModel, type ModelFlags } from "../options.js";
import type { Outcome } from "../outcome.js";
import { csv } from "../output/csv.js";
import { jsonl } from "../output/jsonl.js";
import { NpyFile, namesPath } from "../output/npy.js";
import { chooseFormat, openBeside, openRecords } from "../output/open.js";
import type { ParquetValue } from "../output/parquet.js";
import { describeRun } from "../output/run.js";
import type { RecordFormat, ResultWriter } from "../output/writer.js";

type Embedded = { embedding: Float32Array };

interface EmbedFlags extends ModelFlags {
  text?: string[];
  normalize: boolean;
  out?: string;
  format?: string;
}

const FORMATS = ["jsonl", "npy", "parquet", "csv"] as const;

const RECORDS: Record<"jsonl" | "csv", RecordFormat<Embedded>> = {
  jsonl: jsonl(),
  // The form in which pgvector and others read a vector.
  csv: csv(["input", "text"], "embedding", ({ embedding }) => JSON.stringify(shortNumbers(embedding))),
};

const PARQUET: ParquetValue<Embedded> = {
  name: "embedding",
  schema: [
    { name: "embedding", repetition_type: "OPTIONAL", num_children: 1, converted_type: "LIST" },
    { name: "list", repetition_type: "REPEATED", num_children: 1 },
    { name: "element", repetition_type: "REQUIRED", type: "FLOAT" },
  ],
  uncompressed: true,
  of: ({ embedding }) => Array.from(embedding),
};

/** Number of texts in a call of the library. */
const TEXTS_PER_CALL = 256;

/** `clip-blip embed`: pictures and texts to vectors. */
export function addEmbed(program: Command, context: CliContext, done: (exitCode: number) => void): void {
  const command = program
    .command("embed")
    .summary("embed pictures or texts")
    .description(
      'Writes one line per input: {"input": "a.jpg", "embedding": [...]} or {"text": "...", "embedding": [...]}, or ' +
        '{"input": "b.jpg", "error": {"code", "message"}} for a picture that cannot be read.',
    )
    .argument("[images...]", "files, folders (searched recursively), glob patterns, or - for standard input")
    .option("-t, --text <text...>", "texts to embed");
  addModelOptions(command, "CLIP_MODEL", context)
    .option("--no-normalize", "do not scale the vectors to length 1")
    .option("-o, --out <file>", "output file; an interrupted run is continued")
    .addOption(
      new Option("--format <name>", "output format (default: by the extension of --out, else jsonl)").choices(FORMATS),
    )
    .addHelpText(
      "after",
      `
npy is a NumPy array, float32 [rows, dimension]; <file>.jsonl names the input of each row. parquet
and csv have the columns input, text, embedding and error. <file>.meta.json (with parquet, the file
itself) records the model and the options; only a run with the same ones continues the file.

Examples:
  $ clip-blip embed photos/ --out photos.npy
  $ clip-blip embed "photos/**/*.jpg" --model openai/clip-vit-base-patch32 > photos.jsonl
  $ clip-blip embed --text "a dog on a beach" "a red car"`,
    )
    .action(async (inputs: string[], flags: EmbedFlags) => done(await embed(context, inputs, flags)));
}

async function embed(context: CliContext, inputs: string[], flags: EmbedFlags): Promise<number> {
  const { text: texts = [], out } = flags;
  if (inputs.length + texts.length === 0) throw new UsageError("embed needs pictures, or texts with --text.");
  const format = chooseFormat(FORMATS, flags);

  // Only the model knows the length of the array's rows, so it may be loaded before there is work for it.
  let model: CliClip | undefined;
  const load = async () => {
    model ??= await loadModel(context, flags, (await context.library()).ClipModel);
    return model;
  };
  const openWriter = async (): Promise<ResultWriter<Embedded>> => {
    const run = await describeRun("embed", flags, { normalize: flags.normalize });
    if (out === undefined || format === "jsonl" || format === "csv") {
      return openRecords(context, RECORDS[format as keyof typeof RECORDS], out, run);
    }
    if (format === "parquet") return (await import("../output/parquet.js")).ParquetFile.open(out, PARQUET, run);
    const open = async () => NpyFile.open(out, (await load()).capabilities().dimension!);
    return openBeside(out, run, open, [namesPath(out)]);
  };
  try {
    return await runJob(context, {
      inputs,
      texts,
      unit: texts.length ? "inputs" : "images",
      toStdout: out === undefined,
      openWriter,
      run: async function* (paths, newTexts) {
        const clip = await load();
        yield* embedAll(clip, paths, newTexts, { normalize: flags.normalize, signal: context.signal });
      },
    });
  } finally {
    await model?.close();
  }
}

async function* embedAll(
  clip: CliClip,
  pictures: Picture[],
  texts: string[],
  options: { normalize: boolean; signal: AbortSignal },
): AsyncGenerator<Outcome<Embedded>> {
  for (let start = 0; start < texts.length; start += TEXTS_PER_CALL) {
    const some = texts.slice(start, start + TEXTS_PER_CALL);
    const embeddings = await clip.encodeTexts(some, options);
    for (const [index, text] of some.entries()) yield { text, embedding: embeddings[index]! };
  }
  if (pictures.length === 0) return;
  for await (const item of clip.encodeImageStream(pictures, options)) {
    yield outcomeOf(item, ({ embedding }) => ({ embedding }));
  }
}
