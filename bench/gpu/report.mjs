import { metCell } from "../common/aims.mjs";
import { CHECKPOINTS } from "../common/checkpoints.mjs";
import { describeMachine } from "../common/machine.mjs";
import { mebibytes, milliseconds, short } from "../common/numbers.mjs";
import { table } from "../common/table.mjs";

/** The record as a page of Markdown. */
export function report({ date, command, machine, versions, settings, parts, aims }) {
  const figures = parts.flatMap((part) => part.figures);
  return [
    "# Record on a GPU",
    "",
    `Measured on ${date} with \`${command}\`, on ${settings.device}.`,
    "",
    `- Machine: ${describeMachine(machine)}; Node ${machine.node}`,
    `- Versions: ${Object.entries(versions)
      .map(([name, version]) => `${name} ${version}`)
      .join(", ")}`,
    `- Weights are random, ${settings.small ? "and the models are small ones, so these are no figures of anything" : "at full size"}.`,
    ...(settings.onStandIn
      ? ["- CUDA is a stand-in that computes nothing: this is a rehearsal, whose figures are judged by no aim."]
      : []),
    "",
    "## Aims",
    "",
    table([
      ["what", "aim", "measured", "met"],
      ...aims.map(({ what, aim, measured, met }) => [what, aim, measured, metCell(met)]),
    ]),
    "",
    "## Times",
    "",
    timesTable(figures),
    "",
    "## Everything else",
    "",
    othersTable(figures),
    "",
    "## Tests on the device",
    "",
    testsTable(figures),
    "",
    "## Kernels of single calls",
    "",
    "As CUPTI recorded them. `busy`: time in which a kernel or a copy ran; `span`: from the first one's start to the last one's end.",
    "",
    ...traces(figures),
    "## Parts",
    "",
    table([
      ["part", "seconds", "outcome"],
      ...parts.map(({ id, seconds, failure }) => [id, short(seconds), failure ?? "went well"]),
    ]),
    "",
  ].join("\n");
}

const titleOf = (model) => CHECKPOINTS[model]?.title ?? model;

/** Towers and captions: a row for each program, model and batch. */
function timesTable(figures) {
  const rows = figures
    .filter(({ kind }) => kind === "tower" || kind === "caption")
    .sort((a, b) => order(a) - order(b) || a.model.localeCompare(b.model) || a.batch - b.batch)
    .map(({ kind, model, batch, safe, contender, dtype, median, p25, p75, peakBytes }) => [
      `${titleOf(model)}, ${kind}`,
      safe ? `${short(batch)} (safe)` : batch,
      contender,
      dtype,
      milliseconds(median),
      `${short(p25)} – ${short(p75)}`,
      short((1000 * batch) / median),
      peakBytes === undefined ? "" : mebibytes(peakBytes),
    ]);
  return table([["task", "batch", "program", "dtype", "median", "quartiles", "items/s", "peak"], ...rows]);
}

/** A row for each test, with what it said and why it failed. */
function testsTable(figures) {
  const rows = [];
  for (const { kind, what, outcome, seconds, why } of figures) {
    if (kind === "test") rows.push([what, outcome, short(seconds), why ?? ""]);
    else if (kind === "test said") rows.at(-1)[3] = [what, rows.at(-1)[3]].filter(Boolean).join("; ");
  }
  return table([["test", "outcome", "seconds", "what it said"], ...rows]);
}

/** For each traced call, what took its time. */
const traces = (figures) =>
  figures
    .filter(({ kind }) => kind === "trace")
    .flatMap(({ model, batch, task, contender, kernels, busy, span, copies, work, calls }) => [
      `### ${titleOf(model)}, ${task}, batch ${batch}, ${contender}`,
      "",
      `${kernels} kernels; busy ${milliseconds(busy)}, copies ${milliseconds(copies)}, span ${milliseconds(span)}.`,
      "",
      ...work.map((line) => `- ${code(line)}`),
      "",
      `Calls of CUDA's runtime: ${calls.map(code).join(", ")}.`,
      "",
    ]);

const code = (text) => `\`${text.replaceAll("`", "'")}\``;

/** Kinds of figures that have a table of their own. */
const HAVE_THEIR_OWN = ["tower", "caption", "test", "test said", "trace"];

const order = ({ kind }) => (kind === "tower" ? 0 : 1);

/** Figures of the other kinds, each as it was given. */
function othersTable(figures) {
  const rows = figures
    .filter(({ kind }) => !HAVE_THEIR_OWN.includes(kind))
    .map(({ kind, model, ...values }) => [
      kind,
      model ? titleOf(model) : "",
      Object.entries(values).map(shown).join(", "),
    ]);
  return table([["figure", "model", "values"], ...rows]);
}

const shown = ([name, value]) =>
  `${name} ${typeof value === "number" ? short(value) : Array.isArray(value) ? value.join("; ") || "none" : value}`;
