import type { Command } from "commander";
import type { CliContext } from "../context.js";
import type { Check } from "../doctor/check.js";

interface DoctorFlags {
  json?: boolean;
}

/** `clip-blip doctor`: what is installed, and how to install what is missing. */
export function addDoctor(program: Command, context: CliContext, done: (exitCode: number) => void): void {
  program
    .command("doctor")
    .summary("check the installation")
    .description(
      "Shows what is installed, which device would be used, and how to install what is missing. The exit code is 1 if " +
        "something necessary is missing.",
    )
    .option("--json", "print a JSON object instead of a table")
    .action(async (flags: DoctorFlags) => done(await doctor(context, flags)));
}

async function doctor(context: CliContext, { json }: DoctorFlags): Promise<number> {
  const checks = await runChecks(context);
  const ok = checks.every(({ status }) => status !== "missing");
  context.stdout.write(json ? `${JSON.stringify({ ok, checks }, null, 2)}\n` : checks.map(lines).join(""));
  return ok ? 0 : 1;
}

async function runChecks({ env, signal }: CliContext): Promise<Check[]> {
  const { checkImages, checkMachine } = await import("../doctor/machine.js");
  const { checkNative } = await import("../doctor/libtorch.js");
  const { checkModels } = await import("../doctor/models.js");
  return [...checkMachine(), ...(await checkNative(env, signal)), await checkImages(), ...checkModels(env)];
}

const MARKS = { ok: "ok", note: "note", missing: "MISSING" };

function lines({ name, status, detail, remedy }: Check): string {
  const advice = remedy ? `${" ".repeat(9)}-> ${remedy}\n` : "";
  return `${MARKS[status].padEnd(8)} ${name.padEnd(12)} ${detail}\n${advice}`;
}
