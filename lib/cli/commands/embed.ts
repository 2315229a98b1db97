import { type Command, Option } from "commander";
import type { CliContext } from "../context.js";
import { outcomeOf, runJob } from "../job.js";
import type { CliClip } from "../library.js";
import { addModelOptions, loadModel, type ModelFlags } from "../options.js";
import type { Outcome } from "../outcome.js";
import { chooseFormat } from "../output/format.js";
import { jsonl } from "../output/jsonl.js";
import { NpyFile } from "../output/npy.js";
import { RecordFile } from "../output/record-file.js";
import { RecordStream } from "../output/record-stream.js";
import type { ResultWriter } from "../output/writer.js";
import { UsageError } from "../usage-error.js";

type Embedded = { embedding: Float32Array };

interface EmbedFlags extends ModelFlags {
  text?: string[];
  normalize: boolean;
  out?: string;
  format?: string;
}

const FORMATS = ["jsonl", "npy"] as const;

/** Texts of one call of the library. */
const TEXTS_PER_CALL = 256;

/** `clip-blip embed`: pictures and texts to vectors. */
export function addEmbed(program: Command, context: CliContext, done: (exitCode: number) => void): void {
  const command = program
    .command("embed")
    .summary("pictures or texts to vectors")
    .description(
      'Writes one line an input: {"input": "a.jpg", "embedding": [...]}, {"text": "...", "embedding": [...]} or, for a ' +
        'picture that cannot be read, {"input": "b.jpg", "error": {"code", "message"}}.',
    )
    .argument("[images...]", "files, folders (with all below them) and patterns")
    .option("-t, --text <text...>", "texts to embed");
  addModelOptions(command, "CLIP_MODEL", context)
    .option("--no-normalize", "leave the vectors at the length the model gives them")
    .option("-o, --out <file>", "write there, and go on where an earlier run stopped")
    .addOption(new Option("--format <name>", "default: by the ending of --out, else jsonl").choices(FORMATS))
    .addHelpText(
      "after",
      `
npy is a NumPy array, float32 [rows, dimension], with what each row is in <file>.jsonl beside it.

Examples:
  $ clip-blip embed photos/ --out photos.npy
  $ clip-blip embed "photos/**/*.jpg" --model openai/clip-vit-base-patch32 > photos.jsonl
  $ clip-blip embed --text "a dog on a beach" "a red car"`,
    )
    .action(async (inputs: string[], flags: EmbedFlags) => done(await embed(context, inputs, flags)));
}

async function embed(context: CliContext, inputs: string[], flags: EmbedFlags): Promise<number> {
  const { text: texts = [], out } = flags;
  if (inputs.length + texts.length === 0) throw new UsageError("embed needs pictures, or --text with texts.");
  const format = chooseFormat(FORMATS, flags);

  // The array's rows have a length that only the model knows, so it may be loaded before there is work for it.
  let model: CliClip | undefined;
  const load = async () => {
    model ??= await loadModel(context, flags, (await context.library()).ClipModel);
    return model;
  };
  const openWriter = async (): Promise<ResultWriter<Embedded>> => {
    if (out === undefined) return new RecordStream(context.stdout, jsonl<Embedded>());
    if (format === "jsonl") return RecordFile.open(out, jsonl<Embedded>());
    const { dimension } = (await load()).capabilities();
    return NpyFile.open(out, dimension!);
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
  paths: string[],
  texts: string[],
  options: { normalize: boolean; signal: AbortSignal },
): AsyncGenerator<Outcome<Embedded>> {
  for (let start = 0; start < texts.length; start += TEXTS_PER_CALL) {
    const some = texts.slice(start, start + TEXTS_PER_CALL);
    const embeddings = await clip.encodeTexts(some, options);
    for (const [index, text] of some.entries()) yield { text, embedding: embeddings[index]! };
  }
  if (paths.length === 0) return;
  for await (const item of clip.encodeImageStream(paths, options)) {
    yield outcomeOf(item, ({ embedding }) => ({ embedding }));
  }
}
