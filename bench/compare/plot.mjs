import { milliseconds, short } from "../common/numbers.mjs";

const WIDTH = 860;
const LABEL = 230;
const VALUE = 170;
const ROW = 26;
const BAR = 16;
const PANEL_HEAD = 44;
const PANEL_GAP = 18;
const MARGIN = 24;
const SPAN = WIDTH - 2 * MARGIN - LABEL - VALUE;

const STYLE = `
  text { font: 13px system-ui, sans-serif; fill: #1f2933 }
  .title { font-size: 17px; font-weight: 600 } .panel { font-weight: 600 } .soft { fill: #616e7c; font-size: 12px }
  .page { fill: #ffffff } .ours { fill: #2563c9 } .theirs { fill: #b4bcc6 } .range { stroke: #1f2933; stroke-width: 1.5 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e4e7eb } .soft { fill: #9aa5b1 } .page { fill: #14171a } .ours { fill: #6b9bf2 } .theirs { fill: #566270 }
    .range { stroke: #e4e7eb }
  }`;

const ESCAPES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
const escaped = (text) => String(text).replace(/[&<>"]/g, (character) => ESCAPES[character]);

/**
 * The times of a comparison as an SVG picture: a panel for each task, a bar for each program. The bar is the median, the
 * line on it goes from quartile to quartile, and beside it stands how many times as long as this library at its defaults.
 */
export function plot({ date, machine, device, results }) {
  const tasks = results.filter(({ summaries, parts }) => hasTimes(summaries) && Object.keys(parts).length === 0);
  let top = MARGIN + 46;
  const panels = tasks.map((task) => {
    const { svg, height } = panel(task, top);
    top += height + PANEL_GAP;
    return svg;
  });
  const where = device === "cpu" ? `${machine.cpu}, ${machine.cores} cores` : (machine.gpu ?? device);
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${top}" width="${WIDTH}" height="${top}" role="img">
<title>Times of each program, task by task</title>
<style>${STYLE}
</style>
<rect class="page" width="${WIDTH}" height="${top}"/>
<text class="title" x="${MARGIN}" y="${MARGIN + 12}">clip-blip next to others: time of a call, shorter is better</text>
<text class="soft" x="${MARGIN}" y="${MARGIN + 32}">${escaped(`${where}, ${date}; median, quartiles, and the time relative to the first row`)}</text>
${panels.join("\n")}
</svg>
`;
}

const hasTimes = (summaries) => Object.keys(summaries).length > 0;

function panel({ title, summaries }, top) {
  const rows = Object.entries(summaries).map(([id, summary]) => ({ id, ours: isOurs(id), ...summary }));
  const own = rows.find(({ ours }) => ours)?.median;
  const scale = SPAN / Math.max(...rows.map(({ p75 }) => p75));
  const bars = rows.map((row, index) => bar(row, { y: top + PANEL_HEAD + index * ROW, scale, own }));
  return {
    svg: `<text class="panel" x="${MARGIN}" y="${top + 24}">${escaped(title)}</text>\n${bars.join("\n")}`,
    height: PANEL_HEAD + rows.length * ROW,
  };
}

const isOurs = (id) => id.startsWith("clip-blip") || id === "library";

function bar({ id, ours, median, p25, p75 }, { y, scale, own }) {
  const x = MARGIN + LABEL;
  const middle = y + BAR / 2;
  const end = x + Math.max(median, p75) * scale + 8;
  const relative = Number.isFinite(own) ? ` · ${short(median / own)} x` : "";
  return [
    `<text x="${x - 10}" y="${middle + 5}" text-anchor="end">${escaped(id)}</text>`,
    `<rect class="${ours ? "ours" : "theirs"}" x="${x}" y="${y}" width="${(median * scale).toFixed(1)}" height="${BAR}" rx="2"/>`,
    `<line class="range" x1="${(x + p25 * scale).toFixed(1)}" x2="${(x + p75 * scale).toFixed(1)}" y1="${middle}" y2="${middle}"/>`,
    `<text x="${end.toFixed(1)}" y="${middle + 5}">${escaped(milliseconds(median) + relative)}</text>`,
  ].join("\n");
}
