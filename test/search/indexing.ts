// Brings the index of a folder up to date with the stand-in, slowly: node --import tsx indexing.ts <folder>
import { ImageIndex } from "../../lib/search/index.js";
import { standIn } from "./support.js";

const model = standIn({ pace: 2 });
await using index = await ImageIndex.open(process.argv[2]!, { model });
const { added, unchanged } = await index.update({ onProgress: ({ completed }) => console.log(completed) });
console.log(JSON.stringify({ added, unchanged, embedded: model.embedded.length }));
