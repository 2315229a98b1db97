// What test runners do with the package: vm-context.test.ts runs this in a vm context and outside of one.
import { createReadStream, readdirSync, readFileSync } from "node:fs";
import { BlipModel, ClipModel, cosineSimilarity } from "clip-blip";

const folder = "models/demo-pictures/";
const pictures = readdirSync(folder)
  .filter((name) => /\.(jpg|png|webp)$/.test(name))
  .map((name) => folder + name);
const picture = readFileSync(pictures[0]);
const gif = Buffer.from("R0lGODlhAQABAIAAAAUEBAAAACwAAAAAAQABAAACAkQBADs=", "base64");
const raw = (data, channels) => ({ data, width: 1, height: 1, channels });

const options = { device: "cpu", dtype: "float32" };
const blip = await BlipModel.load("demo", options);
const clip = await ClipModel.load("demo", options);
const pickled = await ClipModel.load("test/fixtures/openai/vit.pt", options);
const [embedding] = await clip.encodeImages([pictures[0]]);

/** Each gives a value, or fails in its own way. */
const calls = {
  captions: async () => (await blip.caption(pictures)).map(({ text }) => text),
  pictures: () => clip.encodeImages([...pictures.slice(1), picture, new Uint8Array(picture), gif]),
  streams: () => clip.encodeImages([createReadStream(pictures[0]), new Blob([picture])]),
  raw: () =>
    clip.encodeImages([raw(new Uint8Array(3), 3), raw(new Uint8ClampedArray(1), 1), raw(new ArrayBuffer(4), 4)]),
  similarity: () => clip.similarity([Float32Array.from(embedding), Float64Array.from(embedding)], [pictures[1]]),
  cosine: () => cosineSimilarity(Float64Array.from(embedding), embedding),
  pickle: () => pickled.encodeTexts(["a cat"]),
  noModel: () => ClipModel.load("/no/such/model"),
  noPicture: () => clip.encodeImages([picture, "/no/such.jpg"]),
  damaged: () => clip.encodeImages([Uint8Array.of(255, 216, 255, 0)]),
  cutBmp: () => clip.encodeImages([Buffer.from("424d0000000000000000000000002800000000000100", "hex")]),
  cutGif: () => clip.encodeImages([gif.subarray(0, 12)]),
  cutTiff: () => clip.encodeImages([Buffer.from("II*\0\u0008\0\0\0\u0005\0", "latin1")]),
  signed: () => clip.encodeImages([raw(new Int8Array(3), 3)]),
  dataView: () => cosineSimilarity(new DataView(new ArrayBuffer(8)), embedding),
  option: () => clip.encodeTexts(["a cat"], { normalise: true }),
  aborted: () => clip.encodeTexts(["a cat"], { signal: AbortSignal.abort(new Error("enough")) }),
};
const found = {};
for (const [name, call] of Object.entries(calls)) {
  try {
    found[name] = await call();
  } catch ({ name: kind, code, message, index }) {
    found[name] = { kind, code, message, index };
  }
}

// As what compiles `await using` calls it.
const asyncDispose = Symbol.asyncDispose ?? Symbol.for("Symbol.asyncDispose");
for (const model of [blip, clip, pickled]) await model[asyncDispose]();
found.closed = await clip.encodeTexts(["a cat"]).catch(({ code }) => code);
console.log(JSON.stringify(found));
