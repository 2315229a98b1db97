import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, describe, test } from "vitest";
import { expandInputs } from "../../lib/cli/inputs.js";
import { picturesBelow, picturesMatching } from "../../lib/input/find-pictures.js";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "clip-blip-find-"));
  mkdirSync(join(folder, "photos", "below"), { recursive: true });
  for (const name of ["a.jpg", "below/b.png", "notes.txt"]) writeFileSync(join(folder, "photos", name), "");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const at = (...parts: string[]) => join(folder, "photos", ...parts);
const bytes = (path: string, name: string) => Buffer.concat([Buffer.from(`${at(path)}/`), Buffer.from(name, "latin1")]);

/** Root may read everything: the calls of `task` are made as somebody else. */
async function asNobody<T>(task: () => Promise<T>): Promise<T> {
  if (process.getuid!() !== 0) return task();
  process.seteuid!(65534);
  try {
    return await task();
  } finally {
    process.seteuid!(0);
  }
}

describe("pictures below a folder", () => {
  test("are listed once, whatever links lead to them, by the path without a link", async () => {
    symlinkSync(at(), at("0-root"));
    symlinkSync(at("below"), at("0-sibling"));
    symlinkSync(at(), at("below", "up"));
    symlinkSync(join(folder, "elsewhere"), at("outside"));
    mkdirSync(join(folder, "elsewhere"));
    writeFileSync(join(folder, "elsewhere", "c.gif"), "");
    symlinkSync(join(folder, "elsewhere"), join(folder, "elsewhere", "itself"));
    symlinkSync(at("a.jpg"), at("linked.jpg"));
    assert.deepEqual(await picturesBelow(at()), {
      paths: ["a.jpg", "below/b.png", "linked.jpg", "outside/c.gif"],
      lost: [],
    });
    const matched = await picturesMatching(join(folder, "photos/**/*.{jpg,png,gif}"));
    assert.deepEqual(
      matched.paths.map((path) => resolve(path)),
      [at("a.jpg"), at("below/b.png"), at("linked.jpg"), at("outside/c.gif")],
    );
    assert.deepEqual(matched.lost, []);
  });

  test("whose names are not UTF-8 have an outcome each, also in folders of such names", async () => {
    writeFileSync(bytes("", "caf\xe9.jpg"), "");
    writeFileSync(bytes("", "caf\xe8.jpg"), "");
    mkdirSync(bytes("", "\xe9t\xe9"));
    writeFileSync(Buffer.concat([bytes("", "\xe9t\xe9"), Buffer.from("/c.jpg")]), "");
    writeFileSync(bytes("", "\xff.txt"), "");
    writeFileSync(at("größe 写真 \u{1f600}.jpg"), "");
    const { paths, lost } = await picturesBelow(at());
    assert.deepEqual(paths, ["a.jpg", "below/b.png", "größe 写真 \u{1f600}.jpg"]);
    assert.deepEqual(
      lost.map(({ path, error, folder: isFolder }) => [path, error.code, isFolder]),
      ["\\xe9t\\xe9/c.jpg", "caf\\xe8.jpg", "caf\\xe9.jpg"].map((path) => [path, "ERR_IMAGE_DECODE", false]),
    );
    assert.match(lost[0]!.error.message, /not valid UTF-8.*: rename it\.$/);
  });

  test("that are no files have an outcome: pipes, sockets, links to devices and to nowhere", async () => {
    execFileSync("mkfifo", [at("pipe.jpg")]);
    symlinkSync(at("pipe.jpg"), at("to-pipe.png"));
    symlinkSync("/dev/zero", at("zero.gif"));
    symlinkSync(at("nowhere"), at("dangling.jpg"));
    symlinkSync(at("nowhere"), at("dangling"));
    symlinkSync(at("nowhere"), at("dangling.txt"));
    symlinkSync(at("self.jpg"), at("self.jpg"));
    execFileSync("mkfifo", [at("pipe")]);
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(at("socket.webp"), resolve));
    const { paths, lost } = await picturesBelow(at());
    await new Promise((resolve) => server.close(resolve));
    assert.deepEqual(paths, ["a.jpg", "below/b.png"]);
    assert.deepEqual(
      lost.map(({ path, folder: isFolder }) => [path, isFolder]),
      [
        ["dangling", true],
        ["dangling.jpg", false],
        ["pipe.jpg", false],
        ["self.jpg", false],
        ["socket.webp", false],
        ["to-pipe.png", false],
        ["zero.gif", false],
      ],
    );
    const told = Object.fromEntries(lost.map(({ path, error }) => [path, error.message]));
    assert.match(told["zero.gif"]!, /^It is not a regular file/);
    assert.match(told["dangling.jpg"]!, /^The target of the link cannot be read \(ENOENT\); it may have been moved\.$/);
    assert.match(told["self.jpg"]!, /\(ELOOP\)/);
  });

  test("in folders that may not be read are not forgotten", async () => {
    mkdirSync(at("locked"), { mode: 0o700 });
    writeFileSync(at("locked", "c.jpg"), "");
    execFileSync("chmod", ["755", folder]);
    await asNobody(async () => {
      if (process.getuid!() !== 0) execFileSync("chmod", ["000", at("locked")]);
      const { paths, lost } = await picturesBelow(at());
      assert.deepEqual(paths, ["a.jpg", "below/b.png"]);
      assert.deepEqual(
        lost.map(({ path, error, folder: isFolder }) => [path, error.message, isFolder]),
        [["locked", "The folder cannot be read (EACCES); check its permissions.", true]],
      );
      for (const input of [at(), join(folder, "photos/**/*.jpg")]) {
        const { paths: found, missing } = await expandInputs([input]);
        assert.ok(found.map((path) => resolve(path)).includes(at("a.jpg")), input);
        assert.equal(missing.length, 1, input);
        assert.match((missing[0] as { input: string }).input, /photos\/locked\/?$/);
        assert.match(missing[0]!.error.message, /\(EACCES\)/);
      }
      const [inside] = (await expandInputs([at("locked", "c.jpg")])).missing;
      assert.match(inside!.error.message, /cannot be read \(EACCES\); check its permissions\.$/);
    });
    execFileSync("chmod", ["700", at("locked")]);
  });
});
