import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { defineConfig, type TestProjectInlineConfiguration } from "vitest/config";

/** The package under its own name is what users get: dist/, which Node loads as it is. */
const { exports } = JSON.parse(readFileSync(new URL("package.json", import.meta.url), "utf8"));
const alias = Object.keys(exports)
  .map((path) => path.replace(".", "clip-blip"))
  .map((name) => ({ find: new RegExp(`^${name}$`), replacement: fileURLToPath(import.meta.resolve(name)) }));

const MINUTE = 60_000;

/** The suite in test/<name>. */
function suite(name: string, options: TestProjectInlineConfiguration["test"] = {}): TestProjectInlineConfiguration {
  return { extends: true, test: { name, include: [`test/${name}/**/*.test.ts`], ...options } };
}

export default defineConfig({
  resolve: { alias },
  test: {
    // A process for each file, as the addon and LibTorch stay in a process for good.
    pool: "forks",
    execArgv: ["--expose-gc"],
    // One file at a time: they share the device, and measure time and memory.
    maxWorkers: 1,
    // What ends a test that hangs. What a test may take is asserted in the test.
    testTimeout: 10 * MINUTE,
    hookTimeout: 20 * MINUTE,
    // dist/ and the addon exist once in a process: Vite must not make a second copy.
    server: { deps: { external: [/\/dist\//, /\.node$/] } },
    reporters: ["default", "./test/counts-reporter.ts"],
    coverage: {
      provider: "v8",
      include: ["lib/**/*.ts"],
      reporter: ["text-summary"],
      // What the unit project alone reaches, rounded down; the other suites run dist/.
      thresholds: { statements: 54, branches: 55, functions: 51, lines: 55 },
    },
    projects: [
      // Needs neither the addon nor LibTorch.
      suite("unit", { maxWorkers: 2 }),
      suite("native"),
      suite("library"),
      suite("faults"),
      suite("cli"),
      suite("search"),
      suite("adapters"),
      suite("server"),
      suite("queue"),
      suite("hostile"),
      suite("package"),
      suite("managers"),
      // Its processes wait for each other: two run at a time. How long each may take is in the tests.
      suite("exit", { testTimeout: 60 * MINUTE }),
      suite("properties"),
      suite("fuzz"),
      suite("sanitize"),
      suite("soak"),
      suite("gpu"),
      suite("cuda-standin"),
    ],
  },
});
