// npm run demo: exports the demo checkpoints to archives, embeds and captions the demo pictures, prints what came out
// and writes a contact sheet to look at.
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { BlipModel, ClipModel, cosineSimilarity, exportCheckpoint } from "clip-blip";
import { contactSheet } from "./demo/contact-sheet.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const folder = join(root, "models", "demo-pictures");
const out = join(root, "demo-out");
const labels = ["circle", "square", "triangle", "star", "heart", "ring", "cross", "diamond", "moon"];
const queries = ["a red circle", "a yellow shape", "a star on a green background", "three small white hearts"];

const files = readdirSync(folder)
  .filter((name) => /\.(jpe?g|png|webp)$/.test(name))
  .sort();
const pictures = files.map((name) => join(folder, name));
mkdirSync(out, { recursive: true });

const archives = { clip: join(out, "demo-clip.pt"), blip: join(out, "demo-blip.pt") };
await exportCheckpoint(join(root, "models", "demo-clip"), archives.clip);
await exportCheckpoint(join(root, "models", "demo-blip"), archives.blip);

const clip = await ClipModel.load(archives.clip);
const blip = await BlipModel.load(archives.blip);
const { device, dtype, dimension, libtorch } = clip.capabilities();
console.log(`LibTorch ${libtorch} on ${device} in ${dtype}; the demo models know drawn scenes, not photographs.\n`);

const started = performance.now();
const embeddings = await clip.encodeImages(pictures);
const embedded = performance.now();
const captions = await blip.caption(pictures);
const captioned = performance.now();
const scores = await clip.classify(pictures, labels, { template: "a {}" });
const texts = await clip.encodeTexts(queries);

for (const [index, name] of files.entries()) {
  const [best] = scores[index];
  console.log(`${name.padEnd(14)}${captions[index].text}   [${best.label} ${(100 * best.score).toFixed(0)} %]`);
}

const searches = queries.map((query, index) => ({
  query,
  found: embeddings
    .map((embedding, picture) => ({ picture, similarity: cosineSimilarity(texts[index], embedding) }))
    .sort((one, other) => other.similarity - one.similarity)
    .slice(0, 3),
}));
console.log("\nNearest pictures:");
for (const { query, found } of searches) {
  const hits = found.map(({ picture, similarity }) => `${files[picture]} (${similarity.toFixed(2)})`);
  console.log(`  ${JSON.stringify(query).padEnd(34)}${hits.join(", ")}`);
}

const sheet = join(out, "index.html");
writeFileSync(sheet, await contactSheet({ pictures, files, captions, scores, searches }));
console.log(
  `\n${files.length} pictures: ${dimension}-dimensional vectors in ${(embedded - started).toFixed(0)} ms, ` +
    `captions in ${(captioned - embedded).toFixed(0)} ms, decoding included.`,
);
console.log(`Look at them: ${pathToFileURL(sheet)}`);

await clip.close();
await blip.close();
