import { readFile } from "node:fs/promises";
import { extname } from "node:path";
import { type BuildOptions, build, transform } from "esbuild";
import { createInstrumenter } from "istanbul-lib-instrument";

/** The readers, the library that they read zip files with, and the reader with a bug on purpose. */
const INSTRUMENTED =
  /\/lib\/checkpoint\/(weights\/)?[\w-]+\.ts$|\/lib\/input\/(avif|bmp|png|tiff|tiff-tags)\.ts$|\/node_modules\/yauzl\/[\w-]+\.js$|\/fuzz\/guided\/seeded-bug\.ts$/;

/**
 * Bundles a program of which the readers count how often each statement, branch and function runs. V8 can count by itself
 * (Profiler.takePreciseCoverage), but asking it after each run leaves 2,500 runs a second of a reader that does 170,000.
 */
export async function bundle(entry: string, outfile: string): Promise<void> {
  const options: BuildOptions = {
    bundle: true,
    platform: "node",
    target: "node20",
    format: "esm",
    logLevel: "warning",
  };
  await build({
    ...options,
    entryPoints: [entry],
    outfile,
    // What was CommonJS asks for Node's modules with require.
    banner: { js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);' },
    plugins: [
      {
        name: "instrument",
        setup: ({ onLoad }) =>
          onLoad({ filter: INSTRUMENTED }, async ({ path }) => ({ contents: await instrument(path), loader: "js" })),
      },
    ],
  });
}

async function instrument(path: string): Promise<string> {
  const typescript = extname(path) === ".ts";
  const source = await readFile(path, "utf8");
  // Types go first; the syntax that Node 20 lacks goes later, so that its helpers are not counted.
  const code = typescript ? (await transform(source, { loader: "ts", target: "es2023" })).code : source;
  return createInstrumenter({ esModules: typescript, compact: true }).instrumentSync(code, path);
}
