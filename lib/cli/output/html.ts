import { readFile } from "node:fs/promises";
import { basename, dirname, isAbsolute, join, relative } from "node:path";
import { keyOf } from "../outcome.js";
import type { RecordFormat } from "./writer.js";

/** Longest side of a thumbnail, in pixels: sharp on screens of twice the density. */
const THUMBNAIL = 480;

/**
 * Captions as a self-contained page of thumbnails.
 * @param model as the user named it
 */
export const html = (model: string): RecordFormat<{ caption: string }> => ({
  name: "HTML",
  header: `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Captions</title>
<style>
:root { color-scheme: light dark; --page: #f6f6f4; --card: #fff; --text: #1c1c1a; --faint: #6b6b66; --line: #e2e2dd; --bad: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --page: #161615; --card: #212120; --text: #ececea; --faint: #a3a39d; --line: #363634; --bad: #f2877f; } }
* { box-sizing: border-box; }
body { margin: 0; padding: 2rem clamp(1rem, 4vw, 3rem); background: var(--page); color: var(--text); font: 1rem/1.45 system-ui, sans-serif; }
h1 { margin: 0; font-size: 1.4rem; }
header { margin-bottom: 1.5rem; }
header p { color: var(--faint); }
main { display: grid; gap: 1.25rem; grid-template-columns: repeat(auto-fill, minmax(min(15rem, 100%), 1fr)); }
figure { margin: 0; overflow: hidden; background: var(--card); border: 1px solid var(--line); border-radius: .6rem; }
img { display: block; width: 100%; aspect-ratio: 4 / 3; object-fit: contain; background: var(--page); }
figcaption { padding: .8rem 1rem 1rem; }
p { margin: 0 0 .35rem; }
small { color: var(--faint); overflow-wrap: anywhere; }
.failed p { color: var(--bad); }
</style>
</head>
<body>
<header><h1>Captions</h1><p>written by ${escaped(model)}</p></header>
<main>
`,
  footer: "</main>\n</body>\n</html>\n",
  encode: async (outcome) => {
    const input = "input" in outcome ? outcome.input : outcome.text;
    const name = escaped(input);
    const label = `<small title="${name}">${escaped(shortPath(input))}</small>`;
    if ("error" in outcome) {
      const text = `<p>${escaped(outcome.error.message)}</p>${label}`;
      return `<figure class="failed" data-input="${name}"><figcaption>${text}</figcaption></figure>\n`;
    }
    const caption = escaped(outcome.caption);
    // A caption is written even if no thumbnail can be made, such as of a file that is gone by now.
    const source = await thumbnail(input).catch(() => undefined);
    const image = source ? `<img loading="lazy" alt="${caption}" src="${source}">` : "";
    return `<figure data-input="${name}">${image}<figcaption><p>${caption}</p>${label}</figcaption></figure>\n`;
  },
  decode: (record) => {
    const match = /^<figure (class="failed" )?data-input="([^"]*)">.*<\/figure>\n$/.exec(record);
    return match ? { key: keyOf({ input: unescaped(match[2]!) }), failed: match[1] !== undefined } : undefined;
  },
});

/** A path as people name it: from the working folder if it lies in there, otherwise with its own folder alone. */
function shortPath(path: string): string {
  const fromHere = relative(".", path);
  if (!fromHere.startsWith("..") && !isAbsolute(fromHere)) return fromHere;
  return join(basename(dirname(path)), basename(path));
}

/** A small copy of a picture as a data URL. */
async function thumbnail(path: string): Promise<string> {
  const { default: sharp } = await import("sharp");
  // As bytes, since the command line does not let sharp open files.
  const bytes = await sharp(await readFile(path), { failOn: "none" })
    .autoOrient()
    .resize(THUMBNAIL, THUMBNAIL, { fit: "inside", withoutEnlargement: true })
    .webp({ quality: 75 })
    .toBuffer();
  return `data:image/webp;base64,${bytes.toString("base64")}`;
}

const ENTITIES: Record<string, string> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
  "\n": "&#10;",
  "\r": "&#13;",
};

/** Escapes text for use between tags and in attributes. Line breaks too, since a record is one line. */
function escaped(text: string): string {
  return text.replaceAll(/[&<>"'\n\r]/g, (character) => ENTITIES[character]!);
}

function unescaped(text: string): string {
  const characters = Object.entries(ENTITIES);
  return text.replaceAll(/&[^;]+;/g, (entity) => characters.find(([, name]) => name === entity)?.[0] ?? entity);
}
