// A program that makes a mistake of the kind that it is told, in the addon that is built with sanitizers:
// `node mistake.mjs [<kind> [thread | exit]]`. In a worker thread that ends, or with process.exit() right behind it.
import { isMainThread, Worker } from "node:worker_threads";
import { native } from "../../dist/native/instance.js";

const [kind, way] = process.argv.slice(2);
if (way === "thread" && isMainThread) new Worker(new URL(import.meta.url), { argv: [kind] });
else if (kind) native().makeMistake(kind);
else native();
if (way === "exit") process.exit();
