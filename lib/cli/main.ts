#!/usr/bin/env node
import { tuneSharp } from "../input/sharp.js";
import { handleInterrupts } from "./interrupt.js";
import { runProgram } from "./program.js";

const interrupts = handleInterrupts();

// `clip-blip embed … | head`: when the reader has enough, the work ends without an error.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  interrupts.abort();
});

process.exitCode = await runProgram(process.argv.slice(2), {
  library: async () => {
    await tuneSharp();
    return import("../index.js");
  },
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  signal: interrupts.signal,
  onInterrupt: interrupts.onInterrupt,
  endsItself: interrupts.endsItself,
});
await interrupts.finish();
