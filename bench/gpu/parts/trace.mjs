// One call of each program with every kernel in it, as CUPTI sees them: what a call's time is made of. Tracing itself
// slows the host down, so times of whole calls are those of the other parts.
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Child } from "../../common/child.mjs";
import { repositoryPath } from "../../common/paths.mjs";
import { run } from "../../common/run.mjs";
import { inputsOf } from "../inputs.mjs";
import { figure, leftOut, settings } from "../settings.mjs";
import { summarize } from "../trace/summary.mjs";

const told = settings();
// Where the addon's build has found CUDA's headers.
const cache = readFileSync(repositoryPath("build", "gpu-record", "CMakeCache.txt"), "utf8");
const cuda = /^CUDA_INCLUDE_DIR:PATH=(.*)$/m.exec(cache)?.[1];
const library = join(told.work, "activity.so");
// The CUPTI that LibTorch itself opens, in NVIDIA's packages beside the torch of pip, goes before the toolkit's.
const homes = [join(dirname(told.libtorch), "nvidia", "cu13"), join(dirname(cuda), "extras", "CUPTI"), dirname(cuda)];
const home = homes.find((folder) => existsSync(join(folder, "include", "cupti.h")));
if (!home) throw new Error("CUPTI's headers are not there");
const libraries = ["lib", "lib64"].map((name) => join(home, name)).find((folder) => existsSync(folder));
run("g++", [
  ...["-std=c++17", "-O1", "-shared", "-fPIC", repositoryPath("bench", "gpu", "trace", "activity.cc"), "-o", library],
  ...[`-I${join(home, "include")}`, `-I${cuda}`, join(libraries, "libcupti.so.13"), `-Wl,-rpath,${libraries}`],
]);

const PROGRAMS = {
  "clip-blip": [process.execPath, [repositoryPath("bench", "compare", "contenders", "clip-blip.mjs")]],
  "transformers eager": [told.python, [repositoryPath("bench", "common", "transformers_contender.py")]],
};
const TASKS = [
  { task: "pixels to vectors", model: "clip-b32", batch: told.batches.at(-1) },
  { task: "pixels to vectors", model: "clip-b32", batch: 1 },
  { task: "captions", model: "blip-base", batch: 1 },
  { task: "captions", model: "blip-base", batch: told.captionBatches.at(-1) },
  { task: "pixels to vectors", model: "clip-l14", batch: told.batches.at(-1) },
];

for (const [contender, [command, args]] of Object.entries(PROGRAMS)) {
  for (const { task, model, batch } of TASKS) {
    const { directory, side, pixels } = await inputsOf(model, told);
    const file = join(told.work, `${model}-${batch}.trace`);
    const child = new Child(command, args, { env: { CUDA_INJECTION64_PATH: library, CLIP_BLIP_TRACE: file } });
    try {
      const { device, tokens } = told;
      const asked = { task, checkpoint: directory, pixels, side, batch, tokens, device, dtype: "float16" };
      await child.call("prepare", asked);
      for (let call = 0; call < 4; call++) {
        await sleep(60);
        await child.call("run");
      }
      // Longer than the library takes to write what it has.
      await sleep(500);
    } finally {
      await child.close();
    }
    if (leftOut(`kernels of ${contender}, ${task}, ${model}`, "no driver loads the library that records them"))
      continue;
    figure({ kind: "trace", model, batch, task, contender, ...summarize(readFileSync(file, "utf8")) });
  }
}
