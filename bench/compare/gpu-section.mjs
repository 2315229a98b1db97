import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { metCell } from "../common/aims.mjs";
import { table } from "../common/table.mjs";
import { judgeAims } from "../gpu/aims.mjs";

/**
 * What the record says of a GPU: the aims and what the last `gpu:record` measured for them, which is nothing until it
 * has run. `results`: the folder that it writes to.
 */
export function gpuSection(results) {
  const file = join(results, "gpu.json");
  const measured = existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : undefined;
  const aims = measured?.aims ?? judgeAims([]);
  return [
    "## On a GPU",
    "",
    measured
      ? `Measured on ${measured.date} on ${measured.settings.device}: [GPU.md](results/GPU.md).`
      : "Not measured: no GPU has been at hand. `npm run gpu:record` is what will measure it ([gpu/README.md](gpu/README.md)).",
    "",
    table([
      ["what", "aim", "measured", "met"],
      ...aims.map(({ what, aim, measured, met }) => [what, aim, measured, metCell(met)]),
    ]),
    "",
  ].join("\n");
}
