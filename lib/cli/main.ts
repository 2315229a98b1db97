#!/usr/bin/env node
import { tuneSharp } from "../input/sharp.js";
import { outputProblem } from "./failures.js";
import { handleInterrupts } from "./interrupt.js";
import { runProgram } from "./program.js";

const interrupts = handleInterrupts();

// `clip-blip embed … | head`: when the reader has enough, the work ends without an error.
let unwritten: NodeJS.ErrnoException | undefined;
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") unwritten ??= error;
  interrupts.abort();
});

const exitCode = await runProgram(process.argv.slice(2), {
  library: async () => {
    await tuneSharp();
    return import("../index.js");
  },
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  signal: interrupts.signal,
  onInterrupt: interrupts.onInterrupt,
  endsItself: interrupts.endsItself,
});
if (unwritten) process.stderr.write(`clip-blip: ${outputProblem(unwritten)}\n`);
process.exitCode = unwritten ? 1 : exitCode;
await interrupts.finish();
