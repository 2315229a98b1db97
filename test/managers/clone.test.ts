// `npm run test:package`: what a publisher and a developer do in a clone. Compiles the addon once, which takes minutes.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative, sep } from "node:path";
import { afterAll, beforeAll, describe, it } from "vitest";
import { findLibTorch } from "../../dist/native/libtorch/find.js";
import { repositoryPath } from "../library/models.js";
import { emptyProject, readJson, runNode, runNpm } from "../package/pack.js";

const folder = realpathSync(mkdtempSync(join(tmpdir(), "clip-blip-clone-")));
afterAll(() => rmSync(folder, { recursive: true }));

/** Node's own headers, where they came with it: node-gyp would download them else. */
const nodedir = dirname(dirname(process.execPath));
const headers = existsSync(join(nodedir, "include", "node", "node_api.h")) ? { npm_config_nodedir: nodedir } : {};
const env = { ...process.env, ...headers, LIBTORCH: findLibTorch()!.root };

/** A copy of this clone as git has it, with the packages that `npm install` brings. */
function copyClone(name: string): string {
  const copy = join(folder, name);
  const root = repositoryPath(".");
  const left = new Set([".git", "build", "node_modules", "prebuilds"]);
  cpSync(root, copy, { recursive: true, filter: (path) => !left.has(relative(root, path).split(sep)[0]!) });
  symlinkSync(repositoryPath("node_modules"), join(copy, "node_modules"));
  return copy;
}

function git(cwd: string, ...parameters: string[]): string {
  const { status, stdout, stderr } = spawnSync("git", parameters, { cwd, encoding: "utf8" });
  assert.equal(status, 0, stderr);
  return stdout;
}

describe("building in a clone that was moved", () => {
  it("configures anew, where the cache is of another folder", async () => {
    const clone = copyClone("moved");
    // As it is after a build elsewhere.
    const work = join(clone, "build", "cmake");
    mkdirSync(join(work, "CMakeFiles"), { recursive: true });
    const cache = join(work, "CMakeCache.txt");
    const elsewhere = [
      "CMAKE_HOME_DIRECTORY:INTERNAL=/somewhere/else",
      "CMAKE_CACHEFILE_DIR:INTERNAL=/somewhere/else/build",
    ];
    writeFileSync(cache, `${elsewhere.join("\n")}\n`);

    const script = join(clone, "scripts", "build-addon.mjs");
    // A group of its own, to end the compilers too. The first line of the build comes once CMake is content.
    const child = spawn(process.execPath, [script], {
      cwd: clone,
      env,
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
    });
    let said = "";
    const building = new Promise<boolean>((resolve) => {
      for (const stream of [child.stdout, child.stderr]) {
        stream.setEncoding("utf8").on("data", (text: string) => {
          said += text;
          if (/Building CXX object/.test(said)) resolve(true);
        });
      }
      child.once("exit", () => resolve(false));
    });
    const built = await building;
    if (child.exitCode === null) {
      const ended = once(child, "exit");
      process.kill(-child.pid!, "SIGKILL");
      await ended;
    }
    assert.ok(built, said);
    assert.match(readFileSync(cache, "utf8"), new RegExp(`^CMAKE_HOME_DIRECTORY:INTERNAL=${clone}$`, "m"));
  });
});

describe("in a clone", () => {
  let clone: string;
  beforeAll(() => {
    clone = copyClone("clone");
    git(clone, "init", "--quiet");
    git(clone, "add", "--all");
  });

  // A compile takes 5 minutes on 2 cores that do nothing else.
  it("node-gyp rebuild makes the local build and the addon of the tests anew", { timeout: 30 * 60_000 }, () => {
    // npm has a node-gyp of its own, which it puts on the PATH of what it runs.
    runNpm(clone, ["exec", "-c", "node-gyp rebuild"], env);
    for (const build of ["build/Release", "build/faults/build/Release"]) {
      for (const file of ["clip_blip.node", "clip_blip_torch.so"])
        assert.ok(existsSync(join(clone, build, file)), build);
    }
    const program = 'import("./dist/native/instance.js").then(({ native }) => console.log(native().devices()[0].name))';
    assert.equal(runNode(clone, ["--eval", program], env), "cpu");
  });

  it("npm pack makes a package of which npm warns nothing, and leaves the clone as it was", () => {
    const before = readFileSync(join(clone, "package.json"), "utf8");
    runNpm(clone, ["pack", "--pack-destination", folder], env);
    assert.equal(readFileSync(join(clone, "package.json"), "utf8"), before);
    assert.equal(git(clone, "diff", "--stat"), "");
    assert.equal(git(clone, "ls-files", "--others", "--exclude-standard"), "");

    const project = emptyProject(folder, "installs");
    writeFileSync(join(project, "package.json"), '{ "private": true }');
    const { version } = readJson<{ version: string }>(join(clone, "package.json"));
    const tarball = join(folder, `clip-blip-${version}.tgz`);
    // Not quiet, as in runNpm: a warning must show.
    const command = ["install", "--prefix", project, "--no-audit", "--no-fund", "--prefer-offline", tarball];
    const { status, stderr } = spawnSync("npm", command, { cwd: project, encoding: "utf8" });
    assert.deepEqual([status, stderr], [0, ""]);
    const manifest = readJson<Record<string, unknown>>(join(project, "node_modules", "clip-blip", "package.json"));
    for (const name of ["scripts", "devDependencies", "overrides"]) assert.equal(manifest[name], undefined, name);
    const kept = readJson<Record<string, unknown>>(join(clone, "package.json"));
    for (const name of ["exports", "dependencies", "bin", "typesVersions"])
      assert.deepEqual(manifest[name], kept[name]);
  });
});
