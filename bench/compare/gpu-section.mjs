import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { metCell } from "../common/aims.mjs";
import { table } from "../common/table.mjs";
import { judgeAims } from "../gpu/aims.mjs";

/**
 * What the record says of a GPU: the aims and what `gpu:record` measured for them, which is nothing until it has run, and
 * what a later run of some parts measured again. `results`: the folder with what it wrote.
 */
export function gpuSection(results) {
  const whole = read(results, "gpu.json");
  const again = read(results, "gpu-again.json");
  const told = (run, page) => `${run.date} on ${run.machine?.gpu ?? run.settings.device}: [${page}](results/${page})`;
  const measuredAgain = new Map((again?.aims ?? []).map((aim) => [aim.what, aim]));
  const rows = (whole?.aims ?? judgeAims([])).map((aim) => {
    const later = measuredAgain.get(aim.what);
    const last = later?.met === undefined ? aim : later;
    return [
      aim.what,
      aim.aim,
      aim.measured,
      ...(again ? [later?.met === undefined ? "" : later.measured] : []),
      metCell(last.met),
    ];
  });
  return [
    "## On a GPU",
    "",
    whole
      ? `Measured on ${told(whole, "GPU.md")}.`
      : "Not measured: no GPU has been at hand. `npm run gpu:record` is what will measure it ([gpu/README.md](gpu/README.md)).",
    ...(again ? [`Some parts again, after what that run showed was mended, on ${told(again, "GPU-again.md")}.`] : []),
    "",
    table([["what", "aim", "measured", ...(again ? ["again"] : []), "met"], ...rows]),
    "",
  ].join("\n");
}

function read(results, name) {
  const file = join(results, name);
  return existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : undefined;
}
