import { type Command, Option } from "commander";
import type { CliContext } from "../context.js";

/** `clip-blip setup`: installs LibTorch. */
export function addSetup(program: Command, context: CliContext, done: (exitCode: number) => void): void {
  program
    .command("setup")
    .summary("install LibTorch")
    .description(
      "Installs the LibTorch that this version needs into your cache folder with pip, and loads it once to check it. The " +
        "default is the CUDA build if this machine has an NVIDIA driver, else the CPU build.",
    )
    .addOption(new Option("--cpu", "install the CPU build (a download of 0.2 GB)").conflicts("cuda"))
    .addOption(new Option("--cuda", "install the CUDA build (a download of several GB)").conflicts("cpu"))
    .addHelpText(
      "after",
      `
Environment:
  CLIP_BLIP_TORCH_INDEX   package index to use instead of pip's and PyTorch's
  XDG_CACHE_HOME          where the cache folder is (Linux; default: ~/.cache)
  LIBTORCH                folder of another LibTorch to use instead of the installed one`,
    )
    .action(async ({ cpu, cuda }: { cpu?: boolean; cuda?: boolean }) => done(await setup(context, { cpu, cuda })));
}

async function setup(context: CliContext, wanted: { cpu?: boolean; cuda?: boolean }): Promise<number> {
  const { hasNvidiaDriver } = await import("../../native/libtorch/driver.js");
  const { installLibTorch } = await import("../../setup/install.js");
  const { stdout, stderr, signal, env } = context;
  const { report } = await installLibTorch({
    variant: wanted.cuda || (!wanted.cpu && hasNvidiaDriver(env)) ? "cuda" : "cpu",
    signal,
    log: (line) => stderr.write(`${line}\n`),
    // On a terminal pip draws its own progress bar.
    onPipLine: stderr.isTTY ? undefined : (line) => stderr.write(`${line}\n`),
  });
  const names = report?.devices.map(({ name }) => name).join(", ");
  stdout.write(`LibTorch ${report?.torchVersion} is ready; devices: ${names}.\n`);
  if (env.LIBTORCH)
    stdout.write(`LIBTORCH is set to ${env.LIBTORCH} and takes precedence: unset it to use this one.\n`);
  return 0;
}
