// `npm run test:package`: the bundlers come from the registry. Each does what docs/guides/bundlers-and-runtimes.md says.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, describe, it } from "vitest";
import { CAPTION_ESM, expectedCaption, PICTURE, runNode } from "../package/pack.js";
import { argumentsFromGuide, fromGuide, Workshop } from "./tools.js";

let workshop: Workshop;
let expected: string;
beforeAll(async () => {
  workshop = new Workshop("bundlers", [
    "webpack@5",
    "webpack-cli@6",
    "vite@8",
    "rollup@4",
    "esbuild@0.28",
    "@rollup/plugin-node-resolve@16",
    "@rollup/plugin-commonjs@29",
    "@rollup/plugin-json@6",
  ]);
  expected = await expectedCaption();
});
afterAll(() => workshop.remove());

/** An application in CommonJS cannot have a top-level await. */
const APPLICATION = CAPTION_ESM.replace(
  /;([\s\S]*)$/,
  "; async function main() {$1}\nmain().catch(({ name, code }) => console.log(name, code));",
);

/** Node's way of finding packages, for Rollup, which brings none. */
const rollupWithPlugins = () => `
import commonjs from ${JSON.stringify(workshop.tool("@rollup/plugin-commonjs/dist/es/index.js"))};
import json from ${JSON.stringify(workshop.tool("@rollup/plugin-json/dist/es/index.js"))};
import resolve from ${JSON.stringify(workshop.tool("@rollup/plugin-node-resolve/dist/es/index.js"))};
export default {
  input: "app.mjs",
  output: { dir: "bundle", format: "es", entryFileNames: "app.mjs" },
  plugins: [resolve({ exportConditions: ["node"], preferBuiltins: true }), commonjs(), json()],
};`;

/** A bundler, its file, and where it puts the bundle. */
interface Case {
  name: string;
  config?: () => Record<string, string>;
  program: string;
  parameters: string[];
  bundle: string;
}

const webpack = { program: "webpack-cli/bin/cli.js", parameters: [] };
const rollup = { program: "rollup/dist/bin/rollup", parameters: ["-c"] };
const vite = { program: "vite/bin/vite.js", parameters: ["build", "--ssr", "app.mjs", "--outDir", "bundle"] };

const external: Case[] = [
  {
    name: "esbuild",
    program: "esbuild/bin/esbuild",
    parameters: argumentsFromGuide("esbuild"),
    bundle: "app.mjs",
  },
  {
    name: "webpack",
    ...webpack,
    config: () => ({ "webpack.config.mjs": fromGuide("webpack.config.mjs") }),
    bundle: "app.cjs",
  },
  {
    name: "Rollup",
    ...rollup,
    config: () => ({ "rollup.config.mjs": fromGuide("rollup.config.mjs") }),
    bundle: "app.mjs",
  },
  { name: "Vite", ...vite, bundle: "app.mjs" },
  {
    name: "Vite without external packages",
    ...vite,
    config: () => ({ "vite.config.mjs": fromGuide("vite.config.mjs") }),
    bundle: "app.mjs",
  },
];

const everything: Case[] = [
  {
    name: "webpack",
    ...webpack,
    // In production it writes nothing, as it cannot bundle sharp's addon.
    config: () => ({
      "webpack.config.mjs": fromGuide("webpack.config.mjs")
        .replace(/externals: .*/, "")
        .replace('"production"', '"development"'),
    }),
    bundle: "app.cjs",
  },
  { name: "Rollup", ...rollup, config: () => ({ "rollup.config.mjs": rollupWithPlugins() }), bundle: "app.mjs" },
  {
    name: "Vite",
    ...vite,
    config: () => ({ "vite.config.mjs": "export default { ssr: { noExternal: true } };" }),
    bundle: "app.mjs",
  },
];

/** Builds in a project of its own and gives back the folder. */
function build({ name, config, program, parameters }: Case, how: string): string {
  const files = { "app.mjs": APPLICATION, ...config?.() };
  const project = workshop.project(`${how} ${name}`, files, []);
  const { status, stdout, stderr } = workshop.tryRun(project, workshop.tool(program), parameters);
  assert.ok(status === 0 || how === "everything", stdout + stderr);
  return project;
}

describe("a bundle with clip-blip external, as the guide has it", () => {
  for (const one of external) {
    it(`captions: ${one.name}`, () => {
      const project = build(one, "external");
      assert.equal(runNode(project, [join("bundle", one.bundle)], workshop.bare), expected);
    });
  }
});

describe("a bundle with clip-blip in it", () => {
  for (const one of everything) {
    it(`fails with ERR_BUNDLED, here and elsewhere: ${one.name}`, () => {
      const project = build(one, "everything");
      assert.equal(runNode(project, [join("bundle", one.bundle)], workshop.bare), "ClipBlipError ERR_BUNDLED");
      // Assets would be whole folders of the package.
      assert.ok(readdirSync(join(project, "bundle"), { recursive: true }).length < 40);
      rmSync(join(project, "node_modules"), { recursive: true });
      assert.equal(runNode(project, [join("bundle", one.bundle)], workshop.bare), "ClipBlipError ERR_BUNDLED");
    });
  }
});

describe("Next.js", () => {
  const ROUTE = `
import { BlipModel } from "clip-blip";
export const dynamic = "force-dynamic";
export async function GET() {
  try {
    const blip = await BlipModel.load("demo", { device: "cpu", dtype: "float32" });
    const [caption] = await blip.caption([process.env.PICTURE]);
    await blip.close();
    return new Response(caption.text);
  } catch ({ name, code }) {
    return new Response(name + " " + code);
  }
}`;
  const files = {
    "app/layout.js": "export default ({ children }) => <html><body>{children}</body></html>;",
    "app/page.js": "export default () => <p>Captions</p>;",
    "app/caption/route.js": ROUTE,
  };
  let project: string;
  let picture: string;
  beforeAll(() => {
    project = workshop.project("next", files, ["next@16", "react@19", "react-dom@19"]);
    picture = join(workshop.project("pictures", {}, []), PICTURE);
  });

  /** What the route answers that the standalone server of a build serves, without the packages of the project. */
  async function answer(config: string, ...flags: string[]): Promise<string> {
    workshop.write(project, { "next.config.mjs": config });
    const env = { NEXT_TELEMETRY_DISABLED: "1" };
    workshop.run(project, join(project, "node_modules/next/dist/bin/next"), ["build", ...flags], env);
    const [packages, aside] = [join(project, "node_modules"), join(project, "aside")];
    renameSync(packages, aside);
    const server = spawn(process.execPath, [join(project, ".next/standalone/server.js")], {
      cwd: project,
      env: { ...workshop.env, ...env, PICTURE: picture, PORT: "0", HOSTNAME: "127.0.0.1" },
      stdio: ["ignore", "pipe", "inherit"],
    });
    try {
      for await (const line of createInterface(server.stdout)) {
        const address = /http:\/\/127\.0\.0\.1:\d+/.exec(line)?.[0];
        if (address) return await (await fetch(`${address}/caption`)).text();
      }
      throw new Error("the server named no address");
    } finally {
      server.kill();
      if (server.exitCode === null && server.signalCode === null) await once(server, "exit");
      renameSync(aside, packages);
      rmSync(join(project, ".next"), { recursive: true });
    }
  }

  for (const flags of [[], ["--webpack"]]) {
    const name = flags.length ? "webpack" : "Turbopack";
    it(`captions from a standalone build with the guide's configuration: ${name}`, async () => {
      assert.equal(await answer(fromGuide("next.config.mjs"), ...flags), expected);
    });

    it(`says ERR_BUNDLED where the files were left out: ${name}`, async () => {
      const without = fromGuide("next.config.mjs").replace(/outputFileTracingIncludes.*\n/, "");
      assert.equal(await answer(without, ...flags), "ClipBlipError ERR_BUNDLED");
    });
  }
});
