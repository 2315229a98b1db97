import { spawnSync } from "node:child_process";

/** Runs a program to its end; what it writes goes to standard error. Throws when it fails. */
export function run(command, args, options = {}) {
  const { status, error } = spawnSync(command, args, { stdio: ["ignore", 2, 2], ...options });
  if (error) throw new Error(`${command} cannot be run: ${error.message}`);
  if (status !== 0) throw new Error(`${command} ${args.join(" ")} failed: see above`);
}

/** Whether a program runs and ends well. */
export const succeeds = (command, args) => spawnSync(command, args, { stdio: "ignore" }).status === 0;
