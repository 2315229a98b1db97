import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { repositoryPath } from "../library/models.js";
import { run } from "./shell.js";

const SOURCES = repositoryPath("test/cuda-standin/libraries");

interface Library {
  name: string;
  /** Of SOURCES; what LibTorch takes from the library beside them are stubs. */
  sources: string[];
  /** How its symbols begin, where LibTorch does not know them by the library's name. */
  prefix?: RegExp;
}

const OF_OTHERS: Library[] = [
  { name: "libcublas.so.13", sources: ["cublas.cc"] },
  { name: "libcublasLt.so.13", sources: ["cublas_lt.cc", "cublas_lt_compute.cc"] },
  { name: "libcudnn.so.9", sources: ["cudnn.cc"] },
  { name: "libnvrtc.so.13", sources: ["nvrtc.cc"] },
  { name: "libcufft.so.12", sources: [] },
  { name: "libcusparse.so.12", sources: [] },
  { name: "libcusolver.so.12", sources: [] },
  { name: "libcupti.so.13", sources: [] },
  { name: "libcuda.so.1", sources: ["libcuda.cc"], prefix: /^cu(?!File)[A-Z]/ },
  { name: "libcufile.so.0", sources: [], prefix: /^cuFile/ },
  { name: "libcurand.so.10", sources: [], prefix: /^curand/ },
  { name: "libcusparseLt.so.0", sources: [], prefix: /^cusparseLt/ },
  { name: "libnccl.so.2", sources: [], prefix: /^nccl/ },
  { name: "libnvshmem_host.so.3", sources: [], prefix: /^nvshmem/ },
];
const taken = new Set(OF_OTHERS.flatMap(({ sources }) => sources));
/** The others are linked with it: it comes first. */
const LIBRARIES: Library[] = [
  {
    name: "libcudart.so.13",
    sources: readdirSync(SOURCES)
      .filter((name) => name.endsWith(".cc") && !taken.has(name))
      .sort(),
  },
  ...OF_OTHERS,
];

/** What the stand-in's own functions begin with, which libraries call in one another. */
const EXPORTED = "cu*; nv*; __cu*; standin_*; _ZN7standin*";

/** Builds the libraries that a torch package looks for into `folder`/lib, where they are not up to date; gives that folder. */
export async function buildLibraries(torch: string, headers: string, folder: string): Promise<string> {
  const target = join(folder, "lib");
  const needed = await neededSymbols(torch);
  const stampFile = join(folder, "stamp");
  const stamp = stampOf(needed, headers);
  if (existsSync(stampFile) && readFileSync(stampFile, "utf8") === stamp) return target;
  await mkdir(target, { recursive: true });
  for (const library of LIBRARIES) await build(library, needed, headers, folder);
  await writeFile(stampFile, stamp);
  return target;
}

/** What the libraries of LibTorch take from others: the names, with the library after "@" where they say it. */
async function neededSymbols(torch: string): Promise<string[]> {
  const folder = join(torch, "lib");
  const ofTorch = readdirSync(folder).filter((name) => /^lib(?:torch|c10|caffe2).*\.so$/.test(name));
  const symbols = new Set<string>();
  for (const name of ofTorch) {
    const listed = await run("nm", ["-D", "--undefined-only", join(folder, name)]);
    for (const line of listed.split("\n")) symbols.add(line.trim().split(/\s+/).at(-1)!.replace("@@", "@"));
  }
  return [...symbols].sort();
}

function stampOf(needed: string[], headers: string): string {
  const hash = createHash("sha256").update(JSON.stringify([needed, headers, LIBRARIES.map(({ name }) => name)]));
  for (const file of [...readdirSync(SOURCES).map((name) => join(SOURCES, name)), new URL(import.meta.url).pathname]) {
    hash.update(readFileSync(file));
  }
  return hash.digest("hex");
}

async function build({ name, sources, prefix }: Library, needed: string[], headers: string, folder: string) {
  const objects: string[] = [];
  const compile = async (compiler: string, source: string, ...flags: string[]) => {
    const object = join(folder, `${source.split("/").at(-1)}.o`);
    await run(compiler, ["-c", "-O2", "-fPIC", ...flags, source, "-o", object]);
    objects.push(object);
    return object;
  };
  const defined = new Set<string>();
  for (const source of sources) {
    const object = await compile("g++", join(SOURCES, source), "-std=c++20", "-Wall", "-Wextra", "-isystem", headers);
    for (const line of (await run("nm", ["--defined-only", object])).split("\n")) defined.add(line.split(" ").at(-1)!);
  }

  const versions = new Set<string>();
  const stubs = new Set<string>();
  for (const symbol of needed) {
    const [plain, version] = symbol.split("@") as [string, string?];
    const isItsOwn = version === undefined ? prefix?.test(plain) : versionNames(name).includes(version);
    if (!isItsOwn) continue;
    if (version !== undefined) versions.add(version);
    if (!defined.has(plain)) stubs.add(plain);
  }
  const file = join(folder, `${name}.stubs.c`);
  const lines = [...stubs].map((stub) => `long ${stub}() { return standin_stub("${stub}"); }\n`);
  await writeFile(file, `extern long standin_stub(const char*);\n${lines.join("")}`);
  await compile("gcc", file, "-w");

  const script = join(folder, `${name}.map`);
  await writeFile(script, [...versions].map((version) => `${version} { global: ${EXPORTED}; local: *; };\n`).join(""));
  const runtime = join(folder, "lib", LIBRARIES[0]!.name);
  await run("g++", [
    ...["-shared", "-o", join(folder, "lib", name), `-Wl,-soname,${name}`, ...objects],
    ...(versions.size > 0 ? [`-Wl,--version-script=${script}`] : []),
    ...(name === LIBRARIES[0]!.name ? [] : [runtime]),
  ]);
}

/** What a library calls the version of its symbols. */
function versionNames(library: string): string[] {
  return library.startsWith("libnvshmem") ? [library, "NVSHMEM"] : [library];
}
