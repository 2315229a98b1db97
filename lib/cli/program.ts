import { readFileSync } from "node:fs";
import { Command } from "commander";
import { packagePath } from "../common/package-path.js";
import { brief, shorten } from "../common/quote.js";
import { addBench } from "./commands/bench.js";
import { addCaption } from "./commands/caption.js";
import { addClassify } from "./commands/classify.js";
import { addDoctor } from "./commands/doctor.js";
import { addEmbed } from "./commands/embed.js";
import { addExport } from "./commands/export.js";
import { addSearch } from "./commands/search.js";
import { addServe } from "./commands/serve.js";
import { addSetup } from "./commands/setup.js";
import { addWorker } from "./commands/worker.js";
import type { CliContext } from "./context.js";
import { exitCodeOf, failureText } from "./failures.js";

/** Runs a command line, given without the program's name. Resolves with the exit code. */
export async function runProgram(args: string[], context: CliContext): Promise<number> {
  let exitCode = 0;
  const program = buildProgram(context, (code) => {
    exitCode = code;
  });
  try {
    await program.parseAsync(args, { from: "user" });
    return exitCode;
  } catch (error) {
    // After an interrupt or a closed pipe there is nothing to report.
    if (context.signal.aborted) return 0;
    const command = program.commands.find((one) => one.name() === args[0]);
    context.stderr.write(failureText(error, context.env, command));
    return exitCodeOf(error);
  }
}

function buildProgram(context: CliContext, done: (exitCode: number) => void): Command {
  const { stdout, stderr } = context;
  const { version } = JSON.parse(readFileSync(packagePath("package.json"), "utf8"));
  const program = new Command("clip-blip")
    .description("CLIP embeddings and BLIP captions through LibTorch, on the GPU or the CPU, without Python.")
    .version(version)
    .exitOverride()
    .configureHelp({ helpWidth: 100 })
    .configureOutput({
      writeOut: (text) => stdout.write(text),
      writeErr: (text) => stderr.write(text),
      outputError: (text, write) => write(`${usageText(text)}\n`),
    })
    .addHelpText(
      "after",
      `
Results go to standard output or --out; progress goes to standard error. The exit code is 0 on
success, 1 if some inputs failed, and 2 for wrong usage.

Examples:
  $ clip-blip doctor
  $ clip-blip caption photos/ --out photos.html
  $ clip-blip embed photos/ --out photos.npy
  $ clip-blip search photos/ "a dog on a beach"
  $ clip-blip serve`,
    );
  for (const add of [
    addDoctor,
    addSetup,
    addExport,
    addEmbed,
    addCaption,
    addClassify,
    addSearch,
    addServe,
    addWorker,
    addBench,
  ])
    add(program, context, done);
  return program;
}

/** A message of commander's, which quotes what was given. */
function usageText(text: string): string {
  const message = text.trimEnd().replace(/^error: /, "clip-blip: ");
  return shorten(message.replaceAll(/'[^']{101,}'/g, (quoted) => `'${brief(quoted.slice(1, -1))}'`));
}
