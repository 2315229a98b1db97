import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { findLibTorch } from "../../dist/native/libtorch/find.js";
import { repositoryPath } from "../library/models.js";
import { bareEnvironment, emptyProject, packRepository, runNpm } from "../package/pack.js";

const GUIDE = readFileSync(repositoryPath("docs/guides/bundlers-and-runtimes.md"), "utf8");

/** A file of the guide, by the name in its first line. */
export function fromGuide(name: string): string {
  const blocks = [...GUIDE.matchAll(/^```javascript\n\/\/ (\S+)\n([\s\S]*?)^```$/gm)];
  const block = blocks.find(([, named]) => named === name);
  if (!block) throw new Error(`the guide has no ${name}`);
  return block[2]!;
}

/** A command of the guide that runs `program`: the variable before it, and its arguments. */
function commandFromGuide(program: string): { variable: string | undefined; words: string[] } {
  const line = new RegExp(`^(?:(\\w+=\\S+) )?(?:npx )?${program}\\b(.*)$`, "m").exec(GUIDE);
  if (!line) throw new Error(`the guide has no command of ${program}`);
  return { variable: line[1], words: line[2]!.split(" ").filter((word) => word !== "") };
}

export const argumentsFromGuide = (program: string): string[] => commandFromGuide(program).words;

export function environmentFromGuide(program: string): NodeJS.ProcessEnv {
  const [name, value] = commandFromGuide(program).variable!.split("=");
  return { [name!]: value };
}

/** A workshop for a suite: the tarball, tools of the registry, and an environment in which they run and leave nothing. */
export class Workshop {
  readonly folder: string;
  readonly tarball: string;
  readonly bare: NodeJS.ProcessEnv;
  readonly env: NodeJS.ProcessEnv;
  readonly #tools: string;

  constructor(name: string, tools: string[]) {
    this.folder = mkdtempSync(join(tmpdir(), `clip-blip-${name}-`));
    this.bare = bareEnvironment(this.folder, findLibTorch()!.root);
    const own = Object.fromEntries(
      ["DATA", "CACHE", "STATE", "CONFIG"].map((kind) => [`XDG_${kind}_HOME`, join(this.folder, kind.toLowerCase())]),
    );
    this.env = { ...this.bare, ...own, DENO_NO_UPDATE_CHECK: "1", DENO_DIR: join(this.folder, "deno"), CI: "1" };
    ({ tarball: this.tarball } = packRepository(this.folder));
    this.#tools = emptyProject(this.folder, "tools");
    runNpm(this.#tools, ["install", "--ignore-scripts", "--prefix", this.#tools, ...tools]);
  }

  /** A file of a tool. */
  tool(path: string): string {
    return join(this.#tools, "node_modules", path);
  }

  /** A project with files, and with clip-blip and other packages installed unless `packages` is left out. */
  project(name: string, files: Record<string, string>, packages?: string[]): string {
    const project = emptyProject(this.folder, name);
    this.write(project, { "package.json": '{ "private": true }', ...files });
    if (packages) {
      const command = ["install", "--ignore-scripts", "--prefix", project, this.tarball, ...packages];
      runNpm(project, command, this.bare);
    }
    return project;
  }

  write(project: string, files: Record<string, string>): void {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(project, path)), { recursive: true });
      writeFileSync(join(project, path), text);
    }
  }

  /** Runs a program, or a script of Node; gives back what it prints. */
  run(cwd: string, program: string, parameters: string[], env: NodeJS.ProcessEnv = {}): string {
    const { status, stdout, stderr } = this.tryRun(cwd, program, parameters, env);
    if (status !== 0) throw new Error(`${program} ${parameters.join(" ")} failed:\n${stdout}\n${stderr}`);
    return stdout.trim();
  }

  /** The same, with the exit code. */
  tryRun(cwd: string, program: string, parameters: string[], env: NodeJS.ProcessEnv = {}) {
    // Many programs of npm have no extension, and a first line for Node.
    const script = /^#!.*node|^"use strict"/.test(readFileSync(program).subarray(0, 40).toString("latin1"));
    const [file, ...rest] =
      script || /\.[cm]?js$/.test(program) ? [process.execPath, program, ...parameters] : [program, ...parameters];
    return spawnSync(file!, rest, { cwd, env: { ...this.env, ...env }, encoding: "utf8", timeout: 300_000 });
  }

  remove(): void {
    rmSync(this.folder, { recursive: true });
  }
}
