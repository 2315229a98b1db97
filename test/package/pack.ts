import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, realpathSync, symlinkSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import { demoPictures, loadBlip, repositoryPath } from "../library/models.js";

const NOT_PUBLISHED_FROM = new Set([".git", "build", "demo-out", "node_modules", "prebuilds"]);

/** npm's own program, run by Node itself so that nothing else has to be on the PATH. */
const NPM = process.env.npm_execpath ?? npmOnPath();

function npmOnPath(): string {
  const [npm] = execFileSync("which", ["npm"], { encoding: "utf8" }).split("\n");
  return realpathSync(npm!);
}

/** Everything that npm would do, without its remarks. */
export const runNpm = (cwd: string, args: string[], env: NodeJS.ProcessEnv = process.env): string =>
  execFileSync(process.execPath, [NPM, ...args, "--no-audit", "--no-fund", "--prefer-offline", "--loglevel=error"], {
    cwd,
    env,
    encoding: "utf8",
    maxBuffer: 1 << 26,
  });

/** Packs what a publisher would, of the addon that is built here, and leaves this repository as it is. */
export function packRepository(folder: string): { tarball: string; files: string[] } {
  const stage = join(folder, "stage");
  const root = repositoryPath(".");
  cpSync(root, stage, {
    recursive: true,
    filter: (path) => !NOT_PUBLISHED_FROM.has(relative(root, path).split(sep)[0]!),
  });
  execFileSync(process.execPath, [repositoryPath("scripts/prebuild.mjs"), "--out", stage], { stdio: "pipe" });
  // npm's own order: prepack, of which this is the second half, then the tarball.
  execFileSync(process.execPath, [join(stage, "scripts", "manifest.mjs"), "strip"]);
  const printed = runNpm(stage, ["pack", "--json", "--ignore-scripts", "--pack-destination", folder]);
  const [packed] = JSON.parse(printed) as { filename: string; files: { path: string }[] }[];
  return { tarball: join(folder, packed!.filename), files: packed!.files.map(({ path }) => path) };
}

/** The environment of a machine with Node and nothing else: no compiler, no CMake, no Python. */
export function bareEnvironment(folder: string, libtorch: string): NodeJS.ProcessEnv {
  const bin = join(folder, "bin");
  mkdirSync(bin, { recursive: true });
  for (const [name, target] of [
    ["node", process.execPath],
    ["sh", "/bin/sh"],
  ] as const) {
    symlinkSync(target, join(bin, name));
  }
  const { HOME, TMPDIR } = process.env;
  return {
    // What a company's registry needs, and nothing of the build.
    ...Object.fromEntries(
      Object.entries(process.env).filter(([name]) =>
        /^(npm_config_(registry|cafile|proxy)|.*_proxy|NODE_EXTRA_CA)/i.test(name),
      ),
    ),
    ...(HOME === undefined ? {} : { HOME }),
    ...(TMPDIR === undefined ? {} : { TMPDIR }),
    PATH: bin,
    LIBTORCH: libtorch,
  };
}

/** Where the tarball brings a picture to, seen from the project that it is installed in. */
export const PICTURE = "node_modules/clip-blip/models/demo-pictures/scene-01.jpg";

const CAPTION = `
  const blip = await BlipModel.load("demo", { device: "cpu", dtype: "float32" });
  const [caption] = await blip.caption([${JSON.stringify(PICTURE)}]);
  await blip.close();
  console.log(caption.text);`;

/** A program that prints the caption of PICTURE, in both module systems. */
export const CAPTION_ESM = `import { BlipModel } from "clip-blip";${CAPTION}`;
export const CAPTION_CJS = `const { BlipModel } = require("clip-blip"); (async () => {${CAPTION}})();`;

/** What those print: what the library says in here. */
export async function expectedCaption(): Promise<string> {
  await using blip = await loadBlip();
  return (await blip.caption([demoPictures[0]!]))[0]!.text;
}

/** An empty project beside the others. */
export function emptyProject(folder: string, name: string): string {
  const project = join(folder, name);
  mkdirSync(project);
  return project;
}

/** Node on a program in a project; what it prints. */
export const runNode = (project: string, args: string[], env: NodeJS.ProcessEnv): string =>
  execFileSync(process.execPath, args, { cwd: project, env, encoding: "utf8", timeout: 60_000 }).trim();

export const readJson = <T>(path: string): T => JSON.parse(readFileSync(path, "utf8")) as T;

/** The folder of an installed package that the repository has, for programs that need it beside the tarball. */
export const installedHere = (name: string): string => dirname(repositoryPath(`node_modules/${name}/package.json`));
