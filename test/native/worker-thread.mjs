// A worker thread does not inherit tsx from the command line on every version of Node.
import { register } from "tsx/esm/api";

register();
await import("./worker-thread.ts");
