/** `print-env.ts [version]`: makes the stand-in and prints what a program needs to run on it, or what is missing, as JSON. */
import { prepare, VERSIONS } from "./standin.js";

process.stdout.write(`${JSON.stringify(await prepare(process.argv[2] ?? VERSIONS.at(-1)!))}\n`);
