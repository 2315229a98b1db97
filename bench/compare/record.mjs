import { metCell } from "../common/aims.mjs";
import { describeMachine } from "../common/machine.mjs";
import { milliseconds, short } from "../common/numbers.mjs";
import { table } from "../common/table.mjs";

/** The results of a comparison as a page of Markdown. `plot`: path of the picture, from the page. */
export function record({ date, command, machine, versions, device, small, results }, { plot }) {
  const aims = results.flatMap(({ id, aims }) =>
    aims.map((aim) => [id, aim.what, aim.aim, aim.measured, metCell(aim.met)]),
  );
  return [
    "# Benchmark record",
    "",
    `Measured on ${date} with \`${command}\`, on ${device}.`,
    "",
    `- Machine: ${describeMachine(machine)}; Node ${machine.node}`,
    `- Versions: ${Object.entries(versions)
      .map(([name, version]) => `${name} ${version}`)
      .join(", ")}`,
    `- Weights are random, ${small ? "and the models are small ones, so these are no figures of anything" : "at full size"}.`,
    "- Times are medians over rounds in which each program runs once, in turn; a ratio is the",
    "  median of the ratios within the rounds. How it is measured: [README.md](README.md); what holds back the figures",
    "  that fall short of their aims, and what was tried: [LIMITS.md](LIMITS.md).",
    "",
    "## Aims",
    "",
    table([["task", "what", "aim", "measured", "met"], ...aims]),
    "",
    `![Times of each program relative to this library](${plot})`,
    ...results.flatMap(section),
    "",
  ].join("\n");
}

function section({ title, items, rounds, summaries, parts, agreement, failed }) {
  const lines = ["", `## ${title}`, ""];
  if (Object.keys(parts).length) lines.push(partsTable(parts));
  else if (Object.keys(summaries).length)
    lines.push(timesTable({ items, summaries, agreement }), "", `${rounds} rounds.`);
  for (const [id, reason] of Object.entries(failed)) lines.push("", `${id} failed: ${reason}`);
  return lines;
}

function timesTable({ items, summaries, agreement }) {
  const agreed = Object.keys(agreement).length > 0;
  const [{ median: own }] = Object.values(summaries);
  const rows = Object.entries(summaries).map(([id, { median, p25, p75 }]) => [
    id,
    milliseconds(median),
    `${short(p25)} – ${short(p75)}`,
    short((1000 * items) / median),
    short(median / own),
    ...(agreed ? [agreement[id]?.toFixed(6)] : []),
  ]);
  const head = ["", "median", "quartiles", "items/s", "relative", ...(agreed ? ["agreement"] : [])];
  return table([head, ...rows], ["l", ...head.slice(1).map(() => "r")]);
}

function partsTable(parts) {
  const names = [...new Set(Object.values(parts).flatMap(Object.keys))];
  const rows = Object.entries(parts).map(([id, values]) => [
    id,
    ...names.map((name) => short(values[name] ?? Number.NaN)),
  ]);
  return table([["ms, items/s", ...names], ...rows], ["l", ...names.map(() => "r")]);
}
