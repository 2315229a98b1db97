import { stat } from "node:fs/promises";
import type { Command } from "commander";
import type { CliContext } from "../context.js";
import { addHubOptions, type HubFlags, wholeNumber } from "../options.js";
import { formatBytes, whileLoading } from "../progress.js";

/** `clip-blip export`: a checkpoint to one file. */
export function addExport(program: Command, context: CliContext, done: (exitCode: number) => void): void {
  addHubOptions(program.command("export"))
    .summary("write a checkpoint as a single file")
    .description(
      "Writes the weights, code, tokenizer and preprocessing of a CLIP, SigLIP or BLIP checkpoint into one TorchScript " +
        "archive, which loads on any device and in any dtype. The file is written completely or not at all.",
    )
    .argument("<checkpoint>", "checkpoint folder, hub id, or file of OpenAI (ViT-B-32.pt)")
    .argument("<out.pt>", "archive to write")
    .option(
      "--image-size <n>",
      "side of the model's input pictures in pixels (default: the checkpoint's)",
      wholeNumber(1),
    )
    .addHelpText(
      "after",
      `
Examples:
  $ clip-blip export openai/clip-vit-base-patch32 clip.pt
  $ clip-blip export ./my-finetuned-blip blip.pt
  $ CLIP_MODEL=clip.pt clip-blip embed photos/`,
    )
    .action(async (checkpoint: string, out: string, flags: { imageSize?: number } & HubFlags) => {
      const { exportCheckpoint } = await context.library();
      const start = performance.now();
      const { imageSize, revision, subfolder } = flags;
      const options = { imageSize, revision, subfolder, signal: context.signal };
      await whileLoading(context, (onProgress) => exportCheckpoint(checkpoint, out, { ...options, onProgress }));
      const seconds = ((performance.now() - start) / 1000).toFixed(1);
      context.stdout.write(`${out}: ${formatBytes((await stat(out)).size)}, written in ${seconds} s\n`);
      done(0);
    });
}
