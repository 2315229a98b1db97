import { join } from "node:path";
import { exportCheckpoint } from "clip-blip";
import { Child } from "../../common/child.mjs";
import { repositoryPath } from "../../common/paths.mjs";
import { median } from "../../common/statistics.mjs";
import { inputsOf } from "../inputs.mjs";
import { figure, settings } from "../settings.mjs";

/** Processes, each of which loads once; the first brings the file into memory and does not count. */
const ROUNDS = 4;

const told = settings();
const { directory, side, pixels } = await inputsOf("clip-b32", told);
const archive = join(told.work, "clip-b32.pt");
await exportCheckpoint(directory, archive);
const runs = [];
for (let round = 0; round < ROUNDS; round++) {
  const child = new Child(process.execPath, [repositoryPath("bench", "compare", "contenders", "clip-blip.mjs")]);
  try {
    const task = "load and first call";
    await child.call("prepare", { task, archive, pixels, side, device: told.device, dtype: "auto" });
    const { parts } = await child.call("run");
    if (round > 0) runs.push(parts);
  } finally {
    await child.close();
  }
}
const of = (part) => median(runs.map((run) => run[part]));
figure({
  kind: "load",
  model: "clip-b32",
  load: of("load"),
  libraries: of("libraries"),
  first: of("first"),
  second: of("second"),
});
