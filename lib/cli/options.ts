import { type Command, InvalidArgumentError, Option } from "commander";
import type { LoadOptions } from "../models/load-options.js";
import type { CliContext } from "./context.js";
import { whileLoading } from "./progress.js";

/** Where a model runs. */
export interface DeviceFlags {
  device?: string;
  dtype?: string;
  batchSize?: number;
}

/** The options of every command that loads a model. */
export interface ModelFlags extends DeviceFlags, HubFlags {
  model: string;
}

/** Which model of a hub repository. */
export interface HubFlags {
  revision?: string;
  subfolder?: string;
}

/** The options of every command that loads a CLIP and a BLIP model. */
export interface BothModelsFlags extends DeviceFlags {
  clipModel: string;
  clipRevision?: string;
  clipSubfolder?: string;
  blipModel: string;
  blipRevision?: string;
  blipSubfolder?: string;
}

type Variable = "CLIP_MODEL" | "BLIP_MODEL";

/** Adds the options of a command that loads a model; `variable` names the model that is the default. */
export function addModelOptions(command: Command, variable: Variable, context: CliContext): Command {
  return addDeviceOptions(addHubOptions(command.addOption(sourceOption("-m, --model <source>", variable, context))));
}

/** Adds the options that say which model of a hub repository is meant. */
export function addHubOptions(command: Command): Command {
  return command
    .option("--revision <name>", "branch, tag or commit of a model on the hub (default: main)")
    .option("--subfolder <path>", "folder of the repository or directory that has the model (default: its root)")
    .addHelpText("after", HUB_HELP);
}

const HUB_HELP = `
Environment, for models of the hub as in Python:
  HF_HOME, HF_HUB_CACHE   folder of the cache (default: ~/.cache/huggingface)
  HF_TOKEN                token for private models (default: the one that \`hf auth login\` stored)
  HF_ENDPOINT             mirror of the hub
  HF_HUB_OFFLINE          1: use only the cache
  HF_HUB_ETAG_TIMEOUT, HF_HUB_DOWNLOAD_TIMEOUT
                          seconds to wait for an answer, and for data (default: 10)
  HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY
                          proxy, and the hosts that are reached without it`;

/** Adds the options of a command that loads a CLIP and a BLIP model. */
export function addBothModelsOptions(command: Command, context: CliContext): Command {
  for (const [name, variable] of [["clip", "CLIP_MODEL"] as const, ["blip", "BLIP_MODEL"] as const]) {
    command
      .addOption(sourceOption(`--${name}-model <source>`, variable, context))
      .option(`--${name}-revision <name>`, "its branch, tag or commit on the hub (default: main)")
      .option(`--${name}-subfolder <path>`, "folder of its repository or directory (default: the root)");
  }
  return addDeviceOptions(command).addHelpText("after", HUB_HELP);
}

/** The options of one of two models, as those of a command that loads one. */
export function oneOf(flags: BothModelsFlags, family: "clip" | "blip"): ModelFlags {
  const { device, dtype, batchSize } = flags;
  const which =
    family === "clip"
      ? { model: flags.clipModel, revision: flags.clipRevision, subfolder: flags.clipSubfolder }
      : { model: flags.blipModel, revision: flags.blipRevision, subfolder: flags.blipSubfolder };
  return { device, dtype, batchSize, ...which };
}

function sourceOption(flags: string, variable: Variable, { env }: CliContext): Option {
  return new Option(flags, `"demo", an archive (.pt), a checkpoint folder or a hub id`).default(
    env[variable] || "demo",
    `${variable}, else "demo"`,
  );
}

function addDeviceOptions(command: Command): Command {
  return command
    .option("--device <name>", "auto, cpu, cuda or cuda:<index> (default: auto)")
    .addOption(
      new Option("--dtype <name>", "data type of the model (default: auto)").choices([
        "auto",
        "float32",
        "bfloat16",
        "float16",
      ]),
    )
    .option("--batch-size <n>", "maximum number of inputs in a batch (default: measured)", wholeNumber(1));
}

/** Loads the model that the options name, with one of the library's classes. */
export function loadModel<M>(
  context: CliContext,
  flags: ModelFlags,
  Model: { load(source: string, options: LoadOptions): Promise<M> },
): Promise<M> {
  return whileLoading(context, (onProgress) =>
    Model.load(flags.model, {
      // Checked by the library, which knows the devices of this machine.
      device: (flags.device ?? "auto") as LoadOptions["device"],
      dtype: (flags.dtype ?? "auto") as LoadOptions["dtype"],
      maxBatchSize: flags.batchSize ?? "auto",
      revision: flags.revision,
      subfolder: flags.subfolder,
      signal: context.signal,
      onProgress,
    }),
  );
}

/** A parser for whole numbers of at least `min`. */
export function wholeNumber(min: number): (text: string) => number {
  return (text) => {
    const number = Number(text);
    if (/^\d+$/.test(text) && Number.isSafeInteger(number) && number >= min) return number;
    throw new InvalidArgumentError(`Expected a whole number of at least ${min}.`);
  };
}
