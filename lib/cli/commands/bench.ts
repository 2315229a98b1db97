import type { Command } from "commander";
import { packagePath } from "../../common/package-path.js";
import { measure, type Timing } from "../bench/measure.js";
import type { CliContext } from "../context.js";
import { UsageError } from "../failures.js";
import { expandInputs } from "../inputs.js";
import { addBothModelsOptions, type BothModelsFlags, loadModel, oneOf, wholeNumber } from "../options.js";

interface BenchFlags extends BothModelsFlags {
  seconds: number;
  json?: boolean;
}

/** One measurement: the time of a run over `items` inputs. */
interface Figure {
  name: string;
  items: number;
  timing: Timing;
}

/** Maximum number of pictures in a call; more would not change the result. */
const MAX_PICTURES = 32;

/** `clip-blip bench`: measures the speed of this machine. */
export function addBench(program: Command, context: CliContext, done: (exitCode: number) => void): void {
  const command = program
    .command("bench")
    .summary("measure the speed of this machine")
    .description(
      "Measures how long it takes to embed and caption pictures on this machine, including decoding, one at a time and " +
        "many at once. Without arguments it uses the demo pictures of the package.",
    )
    .argument("[images...]", "files, folders (searched recursively) and glob patterns");
  addBothModelsOptions(command, context)
    .option("--seconds <n>", "time for each measurement, of at least three runs", wholeNumber(0), 3)
    .option("--json", "print a JSON object instead of a table")
    .addHelpText(
      "after",
      `
Examples:
  $ clip-blip bench
  $ clip-blip bench photos/ --clip-model openai/clip-vit-base-patch32 --device cuda`,
    )
    .action(async (inputs: string[], flags: BenchFlags) => done(await bench(context, inputs, flags)));
}

async function bench(context: CliContext, inputs: string[], flags: BenchFlags): Promise<number> {
  const { paths, missing } = await expandInputs(inputs.length ? inputs : [packagePath("models/demo-pictures")]);
  if (missing.length) throw new UsageError(missing[0]!.error.message);
  const pictures = paths.slice(0, MAX_PICTURES);
  const models = [await benchClip(context, pictures, flags), await benchBlip(context, pictures, flags)];
  const { stdout } = context;
  stdout.write(flags.json ? `${JSON.stringify({ models }, null, 2)}\n` : models.map(lines).join("\n"));
  return 0;
}

async function benchClip(context: CliContext, pictures: string[], flags: BenchFlags) {
  const { ClipModel } = await context.library();
  const clip = await loadModel(context, oneOf(flags, "clip"), ClipModel);
  const { signal } = context;
  const time = timer(flags, signal);
  try {
    return {
      source: flags.clipModel,
      ...about(clip.capabilities()),
      figures: [
        await time("one picture to a vector", 1, () => clip.encodeImages(pictures.slice(0, 1), { signal })),
        await time("pictures to vectors", pictures.length, () => clip.encodeImages(pictures, { signal })),
        await time("one text to a vector", 1, () => clip.encodeTexts(["a photo of a dog"], { signal })),
      ],
    };
  } finally {
    await clip.close();
  }
}

async function benchBlip(context: CliContext, pictures: string[], flags: BenchFlags) {
  const { BlipModel } = await context.library();
  const blip = await loadModel(context, oneOf(flags, "blip"), BlipModel);
  const { signal } = context;
  const time = timer(flags, signal);
  try {
    return {
      source: flags.blipModel,
      ...about(blip.capabilities()),
      figures: [
        await time("one picture to a caption", 1, () => blip.caption(pictures.slice(0, 1), { signal })),
        await time("pictures to captions", pictures.length, () => blip.caption(pictures, { signal })),
      ],
    };
  } finally {
    await blip.close();
  }
}

/** What a measurement depends on besides the model. */
function about({ device, dtype, libtorch }: { device?: string; dtype?: string; libtorch?: string }) {
  return { device, dtype, libtorch };
}

function timer({ seconds }: BenchFlags, signal: AbortSignal) {
  return async (name: string, items: number, run: () => Promise<unknown>): Promise<Figure> => ({
    name,
    items,
    timing: await measure(run, { seconds, signal }),
  });
}

function lines(model: Awaited<ReturnType<typeof benchClip>>): string {
  const { source, device, dtype, libtorch, figures } = model;
  const head = `${source} on ${device} in ${dtype}, LibTorch ${libtorch}\n`;
  return head + figures.map(line).join("");
}

function line({ name, items, timing: { median, runs } }: Figure): string {
  const label = items === 1 ? name : `${items} ${name}`;
  const rate = ((1000 * items) / median).toFixed(1);
  return `  ${label.padEnd(30)} ${median.toFixed(1).padStart(9)} ms ${rate.padStart(10)}/s   ${runs} runs\n`;
}
