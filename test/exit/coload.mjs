// A process of the tests on other native packages: `node coload.mjs <folder> <names…>` loads native packages in an order, lets each of them
// work, all at once and one after another, and ends by itself.
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { BlipModel } from "clip-blip";

const [folder, ...names] = process.argv.slice(2);
const require = createRequire(join(folder, "package.json"));
const picture = fileURLToPath(new URL("../../models/demo-pictures/scene-01.jpg", import.meta.url));
/** One node, "y = x + x", as ONNX writes it. */
const DOUBLE = Buffer.from(
  "CAg6NQoOCgF4CgF4EgF5IgNBZGQSAWdaDwoBeBIKCggIARIECgIIA2IPCgF5EgoKCAgBEgQKAggDQgIQDQ==",
  "base64",
);

const load = {
  "clip-blip": async () => {
    const model = await BlipModel.load("demo", { device: "cpu", dtype: "float32" });
    return {
      work: async () => (await model.caption([picture]))[0].text,
      end: () => model.close(),
    };
  },
  sharp: async () => {
    const { default: sharp } = await import("sharp");
    return { work: async () => (await sharp(picture).resize(32, 32).raw().toBuffer()).length };
  },
  "onnxruntime-node": async () => {
    const { InferenceSession, Tensor } = require("onnxruntime-node");
    const session = await InferenceSession.create(DOUBLE);
    const x = new Tensor("float32", Float32Array.of(1, 2, 3), [3]);
    return { work: async () => [...(await session.run({ x })).y.data].join(), end: () => session.release() };
  },
  "better-sqlite3": async () => {
    const Database = require("better-sqlite3");
    const database = new Database(":memory:");
    return { work: async () => database.prepare("select 6 * 7 as answer").get().answer, end: () => database.close() };
  },
};

const loaded = {};
for (const name of names) loaded[name] = await load[name]();
await Promise.all(names.map((name) => loaded[name].work()));
const results = {};
for (const name of names) results[name] = await loaded[name].work();
console.log(JSON.stringify(results));
for (const name of names) await loaded[name].end?.();
