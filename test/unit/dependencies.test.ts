import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, it } from "vitest";

const read = (path: string) => readFileSync(fileURLToPath(new URL(`../../${path}`, import.meta.url)), "utf8");
const manifest = JSON.parse(read("package.json")) as {
  dependencies: Record<string, string>;
  peerDependencies: Record<string, string>;
  peerDependenciesMeta: Record<string, { optional?: boolean }>;
};
interface Locked {
  dev?: boolean;
  devOptional?: boolean;
  peer?: boolean;
  license?: string;
  hasInstallScript?: boolean;
}
const lock = JSON.parse(read("package-lock.json")) as { packages: Record<string, Locked> };
const document = read("docs/dependencies.md");

/** Rows of the table below a heading: package, licence, and why. */
function rows(heading: string): string[][] {
  const section = document.split(/^## /m).find((text) => text.startsWith(`${heading}\n`))!;
  return [...section.matchAll(/^\| (\S+) \| ([^|]+) \| ([^|]+) \|$/gm)]
    .map((match) => match.slice(1, 4).map((cell) => cell.trim()))
    .filter(([name]) => name !== "package");
}

/** As the lock file has it; @llamaindex/core says it in its LICENSE only. */
const licenceOf = (name: string): string | undefined =>
  name === "@llamaindex/core" ? "MIT" : lock.packages[`node_modules/${name}`]!.license;

/** What a user gets who installs this package alone. */
const production = Object.entries(lock.packages).filter(
  ([path, { dev, devOptional, peer }]) => path !== "" && !dev && !devOptional && !peer,
);

describe("docs/dependencies.md", () => {
  for (const [heading, names] of [
    ["Production dependencies", Object.keys(manifest.dependencies)],
    ["Optional peers", Object.keys(manifest.peerDependencies)],
  ] as const) {
    it(`has a row with a reason for each of the ${heading.toLowerCase()}, and no other`, () => {
      const table = rows(heading);
      assert.deepEqual(table.map(([name]) => name).sort(), [...names].sort());
      for (const [name, licence, reason] of table) {
        assert.equal(licence, licenceOf(name!), name);
        assert.ok(reason!.length > 5, name);
      }
    });
  }

  it("lists every licence that is installed with them", () => {
    const listed = /^Licences of everything .*$/m.exec(document)![0];
    const found = new Set(production.flatMap(([, { license }]) => license!.split(" AND ")));
    assert.deepEqual(
      [...listed.matchAll(/[A-Z][\w.-]+-[\w.-]+|MIT|ISC/g)].map(([name]) => name).sort(),
      [...found].sort(),
    );
  });

  it("is right that nothing that is installed runs a script, and that every peer is optional", () => {
    assert.ok(production.length > Object.keys(manifest.dependencies).length);
    assert.deepEqual(
      production.filter(([, { hasInstallScript }]) => hasInstallScript).map(([path]) => path),
      [],
    );
    for (const name of Object.keys(manifest.peerDependencies)) {
      assert.equal(manifest.peerDependenciesMeta[name]?.optional, true, name);
    }
  });
});

describe("package-lock.json", () => {
  it("is complete, so that npm ci takes it", () => {
    const folder = mkdtempSync(join(tmpdir(), "clip-blip-lock-file-"));
    try {
      for (const name of ["package.json", "package-lock.json"]) {
        copyFileSync(fileURLToPath(new URL(`../../${name}`, import.meta.url)), join(folder, name));
      }
      const command = ["ci", "--dry-run", "--offline", "--ignore-scripts", "--no-audit", "--no-fund"];
      const { status, stderr } = spawnSync("npm", command, { cwd: folder, encoding: "utf8" });
      assert.equal(status, 0, stderr);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
