// One self-contained page: every picture with its caption and label scores, and the searches with what they found.
import sharp from "sharp";

const STYLE = `
:root { color-scheme: light dark; --line: light-dark(#d8dce2, #3a4048); --soft: light-dark(#5c6570, #9aa4b0);
  --bar: light-dark(#3b6fd4, #6b9bf2); --card: light-dark(#fff, #1d2126); }
body { font: 15px/1.45 system-ui, sans-serif; margin: 0 auto; max-width: 72rem; padding: 1.5rem;
  background: light-dark(#f5f6f8, #14171a); color: light-dark(#1a1e24, #e8ebef); }
h1 { font-size: 1.5rem; margin: 0 0 .25rem } h2 { font-size: 1.15rem; margin: 2rem 0 .75rem }
p { margin: 0 0 1rem; color: var(--soft) }
.grid { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr)) }
.card { background: var(--card); border: 1px solid var(--line); border-radius: .6rem; overflow: hidden; margin: 0 }
.card img { display: block; width: 100%; aspect-ratio: 1; object-fit: contain; background: light-dark(#e9ecf0, #0e1013) }
figcaption { padding: .75rem }
.name { color: var(--soft); font-size: .8rem }
table { width: 100%; border-collapse: collapse; margin-top: .5rem; font-size: .8rem }
td { padding: .1rem 0 } td:first-child { width: 5.5rem } td:last-child { width: 2.6rem; text-align: right }
.track { height: .5rem; border-radius: .25rem; background: var(--line) }
.fill { height: 100%; border-radius: .25rem; background: var(--bar) }
.row { display: grid; grid-template-columns: 13rem repeat(3, 7rem); gap: 1rem; align-items: center; padding: .5rem 0;
  border-top: 1px solid var(--line) }
.row img { width: 100%; border-radius: .3rem; display: block }
.row small { color: var(--soft) }
@media (max-width: 40rem) { .row { grid-template-columns: repeat(3, 1fr) } .row strong { grid-column: 1 / -1 } }
`;

const ESCAPES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
const escaped = (text) => text.replace(/[&<>"]/g, (character) => ESCAPES[character]);

export async function contactSheet({ pictures, files, captions, scores, searches }) {
  const thumbnails = await Promise.all(pictures.map(thumbnail));
  const cards = files.map((name, index) => card(name, thumbnails[index], captions[index].text, scores[index]));
  const rows = searches.map(({ query, found }) => {
    const hits = found.map(
      ({ picture, similarity }) =>
        `<span><img src="${thumbnails[picture]}" alt="${escaped(captions[picture].text)}"><small>${similarity.toFixed(2)}</small></span>`,
    );
    return `<div class="row"><strong>${escaped(query)}</strong>${hits.join("")}</div>`;
  });
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>clip-blip demo</title>
<style>${STYLE}</style>
<h1>clip-blip demo</h1>
<p>Captions by the demo BLIP, label scores and search by the demo CLIP. Both know drawn scenes, not photographs.</p>
<div class="grid">
${cards.join("\n")}
</div>
<h2>Search by words</h2>
<p>The three nearest pictures, with the cosine similarity of picture and words.</p>
${rows.join("\n")}
</html>
`;
}

function card(name, source, caption, scores) {
  const bars = scores.slice(0, 3).map(({ label, score }) => {
    const percent = (100 * score).toFixed(0);
    return `<tr><td>${escaped(label)}</td><td><div class="track"><div class="fill" style="width:${percent}%"></div></div></td><td>${percent} %</td></tr>`;
  });
  return `<figure class="card"><img src="${source}" alt="${escaped(caption)}">
<figcaption>${escaped(caption)}<div class="name">${escaped(name)}</div><table>${bars.join("")}</table></figcaption></figure>`;
}

async function thumbnail(path) {
  const bytes = await sharp(path).autoOrient().resize(320, 320, { fit: "inside" }).webp({ quality: 80 }).toBuffer();
  return `data:image/webp;base64,${bytes.toString("base64")}`;
}
