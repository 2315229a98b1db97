import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, it } from "vitest";
import { repositoryPath } from "../library/models.js";
import { installedHere, readJson } from "./pack.js";
import { OLDER_TYPESCRIPT, optionsWithoutUndefined } from "./public-options.mjs";

/** TypeScript 7 knows no node10. arethetypeswrong brings an older one; installed by itself, it would take the name tsc. */
const compilers = {
  new: join(installedHere("typescript"), "bin", "tsc"),
  old: join(dirname(OLDER_TYPESCRIPT), "..", "bin", "tsc"),
};

const { exports, dependencies, peerDependencies } = readJson<Record<string, Record<string, unknown>>>(
  repositoryPath("package.json"),
);
const subpaths = Object.keys(exports!).filter((path) => path !== "./package.json");

/** A project beside the packages that a user of every part has. */
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "clip-blip-types-"));
  const packages = [...Object.keys({ ...dependencies, ...peerDependencies }), "@types/node", "undici-types"];
  for (const name of packages) link(name, installedHere(name));
  for (const part of ["dist", "package.json"]) link(join("clip-blip", part), repositoryPath(part));
});
afterAll(() => rmSync(folder, { recursive: true }));

function link(name: string, target: string): void {
  const path = join(folder, "node_modules", name);
  mkdirSync(dirname(path), { recursive: true });
  symlinkSync(target, path);
}

/** What a compiler says of a file. */
function compile(tsc: string, file: string, text: string, ...options: string[]): string {
  writeFileSync(join(folder, file), text);
  const common = ["--noEmit", "--strict", "--target", "es2022", "--types", "node", "--esModuleInterop"];
  const libraries = ["--lib", "es2022,esnext.disposable,dom", "--preserveSymlinks"];
  const ignore = tsc === compilers.new ? ["--ignoreConfig"] : [];
  const { stdout } = spawnSync(process.execPath, [tsc, ...ignore, ...common, ...libraries, ...options, file], {
    cwd: folder,
    encoding: "utf8",
  });
  return stdout;
}

/** Uses a name of every part, so that a part without types shows. */
const EVERY_PART = `
import { BlipModel, ClipModel, type ImageInput } from "clip-blip";
import { createServer } from "clip-blip/server";
import { createJobBackend, startWorker } from "clip-blip/queue";
import { ImageIndex } from "clip-blip/search";
import { clipEmbeddingModel } from "clip-blip/ai-sdk";
import { ClipEmbeddingFunction as Chroma } from "clip-blip/chroma";
import { ClipEmbeddingFunction as LanceDb } from "clip-blip/lancedb";
import { ClipEmbeddings } from "clip-blip/langchain";
import { ClipEmbedding } from "clip-blip/llamaindex";

export async function use(images: ImageInput[], maybe: { signal?: AbortSignal; top?: number; text?: string }) {
  const { signal, top, text } = maybe;
  const clip = await ClipModel.load("demo", { device: undefined, signal, imageSize: top, idleUnload: undefined });
  const blip = await BlipModel.load("demo", { dtype: undefined, memoryLimit: top });
  const vectors: Float32Array[] = await clip.encodeImages(images, { signal, normalize: undefined, allowRemote: undefined });
  await clip.classify(images, ["a"], { template: text, signal });
  await blip.caption(images, { numBeams: top, prompt: text, seed: undefined, onProgress: undefined });
  const index = await ImageIndex.open("photos", { model: clip, path: text, rebuild: undefined });
  await index.searchText("a", { top, signal });
  const jobs = await createJobBackend({ redis: "redis://127.0.0.1", queue: text, attempts: top });
  createServer({ clip: "demo", blip: undefined, token: text, limits: { images: top }, jobs });
  await startWorker({ redis: "redis://127.0.0.1", clip, blip: undefined, roots: undefined, signal });
  clipEmbeddingModel({ model: clip, modelId: text, load: undefined });
  new Chroma({ model: "demo", load: undefined });
  new LanceDb({ model: text, source: undefined });
  new ClipEmbeddings({ model: clip, allowRemote: undefined });
  new ClipEmbedding({ model: clip, embedBatchSize: top });
  // @ts-expect-error: a number is no path
  await clip.encodeImages([7]);
  // @ts-expect-error: the parts have types
  createServer({ clip: 7 });
  // @ts-expect-error: and these
  await startWorker({ redis: 7 });
  // @ts-expect-error: and these
  await ImageIndex.open(7);
  return vectors;
}
`;

describe("the types", () => {
  it("of the test are all parts of the package", () => {
    for (const subpath of subpaths) assert.ok(EVERY_PART.includes(`"clip-blip${subpath.slice(1)}"`), subpath);
  });

  for (const [name, tsc, file, ...options] of [
    ["node10", compilers.old, "node10.ts", "--module", "commonjs", "--moduleResolution", "node10"],
    ["node16", compilers.old, "node16.mts", "--module", "node16"],
    ["nodenext, import", compilers.new, "nodenext.mts", "--module", "nodenext"],
    ["nodenext, require", compilers.new, "nodenext.cts", "--module", "nodenext"],
    ["bundler", compilers.new, "bundler.ts", "--module", "esnext", "--moduleResolution", "bundler"],
  ] as [string, string, string, ...string[]][]) {
    it(`are found in every part, and take undefined for an option: ${name}`, () => {
      const said = compile(tsc, file, EVERY_PART, ...options, "--exactOptionalPropertyTypes", "--skipLibCheck");
      assert.equal(said, "");
    });
  }

  it("compile where libraries are checked too, as strictly as the compiler can", () => {
    const strict = [
      "--exactOptionalPropertyTypes",
      "--noUncheckedIndexedAccess",
      "--noPropertyAccessFromIndexSignature",
    ];
    const said = compile(compilers.new, "strict.mts", EVERY_PART, "--module", "nodenext", ...strict);
    // Other libraries have errors of their own.
    const ours = said.split("\n").filter((line) => /^(strict|node_modules\/clip-blip)/.test(line));
    assert.deepEqual(ours, []);
  });

  it("let every option be undefined, under exactOptionalPropertyTypes", () => {
    const entries = subpaths.map((subpath) => {
      const { types, import: imported } = exports![subpath] as { types?: string; import?: { types: string } };
      return repositoryPath(types ?? imported!.types);
    });
    const { checked, without } = optionsWithoutUndefined(entries);
    assert.ok(checked > 80, `${checked} options`);
    assert.deepEqual(without, []);
  });
});

describe("an application with exactOptionalPropertyTypes", () => {
  it("compiles with the examples of the README and the guides", () => {
    // That of the adapters needs the packages that they adapt to, which are not installed here.
    const names = readdirSync(repositoryPath("docs/guides")).filter((name) => name !== "adapters.md");
    const guides = names.map((name) => `docs/guides/${name}`);
    const texts = ["README.md", ...guides].map((name) => readFileSync(repositoryPath(name), "utf8"));
    const examples = texts.flatMap((text) =>
      [...text.replace(/^ {3}/gm, "").matchAll(/^```(?:js|ts)\n([\s\S]*?)^```$/gm)].map(([, code]) => code!),
    );
    assert.ok(examples.length >= 4);
    // A line or two in the middle of a text leave out where the class is from.
    const whole = (text: string) =>
      /^import /m.test(text) ? text : `import { BlipModel, ClipModel } from "clip-blip";\n${text}`;
    for (const [index, text] of examples.entries()) {
      const options = ["--module", "nodenext", "--exactOptionalPropertyTypes", "--skipLibCheck"];
      assert.equal(compile(compilers.new, `example-${index}.mts`, whole(text), ...options), "", text);
    }
  });
});
