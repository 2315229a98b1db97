/** What the suites of this folder share: one for each release of LibTorch, or a reason why there is none. */
import { describe, it } from "vitest";
import { prepare, type Standin, VERSIONS } from "./standin.js";

/** Releases that are there, or what is missing. */
const prepared: (readonly [version: string, made: Standin | { missing: string }])[] = [];
for (const version of VERSIONS) prepared.push([version, await prepare(version)]);

/** Describes the same for each release. One that cannot be had is a test that is skipped with its reason. */
export function describeEach(name: string, body: (standin: Standin) => void): void {
  for (const [version, made] of prepared) {
    const title = `${name}, LibTorch ${version}`;
    if ("missing" in made) it(title, (t) => t.skip(made.missing));
    else describe(title, () => body(made));
  }
}

/** The stand-in of another release, where there is one. */
export function anotherThan(standin: Standin): Standin | undefined {
  return prepared
    .map(([, made]) => made as Standin)
    .find(({ prebuild, version }) => prebuild && version !== standin.version);
}

/** The path of a program of this suite. */
export const program = (name: string) => `test/cuda-standin/programs/${name}.ts`;
