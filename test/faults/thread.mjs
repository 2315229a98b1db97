import { register } from "tsx/esm/api";

// Worker threads do not inherit the loader of the main thread.
register();
await import("./thread.ts");
