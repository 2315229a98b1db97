/**
 * npm run test:parity [-- case…]: this library next to transformers in Python, on full-size checkpoints with random
 * weights, and a table of how far they are apart. The checkpoints are made in a temporary folder and deleted.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { BlipModel, ClipModel, cosineSimilarity } from "clip-blip";
import { pythonWithTransformers } from "./python.js";

const CASES = [
  "clip-b32-quick_gelu",
  "clip-b32-gelu",
  "clip-l14-quick_gelu",
  "clip-l14-gelu",
  "siglip-base",
  "siglip2-base",
  "blip-base",
  "blip-large",
] as const;
type Case = (typeof CASES)[number];

/** Aims: cosine of float32 vectors at least, cosine of bfloat16 vectors at least. */
const AIMS = { float32: 0.99999, bfloat16: 0.999 } as const;

interface ClipReference {
  images: number[][];
  interpolated: { imageSize: number; images: number[][] };
  texts: number[][];
  textInputs: string[];
}

interface BlipReference {
  captions: { prompt: string | null; tokenIds: number[][] }[];
  endTokenId: number;
}

interface Row {
  case: string;
  what: string;
  measured: string;
  aim: string;
  passed: boolean;
}

const here = fileURLToPath(new URL(".", import.meta.url));
const pictures = ["scene-01.jpg", "scene-02.png", "scene-04.webp", "scene-07.png"].map((name) =>
  join(here, "../../models/demo-pictures", name),
);

function reference<T>(python: string, name: Case, directory: string): T {
  const script = join(here, "reference.py");
  const { status, stdout, stderr } = spawnSync(python, [script, name, directory, ...pictures], {
    encoding: "utf8",
    maxBuffer: 1 << 28,
  });
  if (status !== 0) throw new Error(`reference.py failed for ${name}:\n${stderr}`);
  return JSON.parse(stdout) as T;
}

function leastCosine(actual: Float32Array[], expected: number[][]): number {
  return Math.min(...actual.map((vector, index) => cosineSimilarity(vector, expected[index]!)));
}

async function compareClip(name: Case, directory: string, expected: ClipReference): Promise<Row[]> {
  const rows: Row[] = [];
  for (const dtype of ["float32", "bfloat16"] as const) {
    await using model = await ClipModel.load(directory, { device: "cpu", dtype });
    const cosines = {
      images: leastCosine(await model.encodeImages(pictures, { normalize: false }), expected.images),
      texts: leastCosine(await model.encodeTexts(expected.textInputs, { normalize: false }), expected.texts),
    };
    const { imageSize, images } = expected.interpolated;
    await using resized = await ClipModel.load(directory, { device: "cpu", dtype, imageSize });
    const ofOtherSize = leastCosine(await resized.encodeImages(pictures, { normalize: false }), images);
    for (const [what, cosine] of Object.entries({ ...cosines, [`images of ${imageSize} pixels`]: ofOtherSize })) {
      rows.push({
        case: name,
        what: `${what}, ${dtype}, least cosine`,
        measured: cosine.toFixed(8),
        aim: `>= ${AIMS[dtype]}`,
        passed: cosine >= AIMS[dtype],
      });
    }
  }
  return rows;
}

async function compareBlip(name: Case, directory: string, expected: BlipReference): Promise<Row[]> {
  const rows: Row[] = [];
  await using model = await BlipModel.load(directory, { device: "cpu", dtype: "float32" });
  for (const { prompt, tokenIds } of expected.captions) {
    const captions = await model.caption(pictures, { maxLength: 20, ...(prompt === null ? {} : { prompt }) });
    const equal = captions.filter((caption, index) => {
      const row = tokenIds[index]!;
      // transformers pads the rows that ended early.
      const end = row.indexOf(expected.endTokenId);
      const trimmed = end < 0 ? row : row.slice(0, end + 1);
      return trimmed.length === caption.tokenIds.length && trimmed.every((id, at) => id === caption.tokenIds[at]);
    }).length;
    const distinct = new Set(tokenIds.map((row) => row.join())).size;
    rows.push({
      case: name,
      what: `captions, float32, prompt ${JSON.stringify(prompt)} (${distinct} distinct)`,
      measured: `${equal} of ${captions.length} equal`,
      aim: "all, and not all the same",
      passed: equal === captions.length && distinct > 1,
    });
  }
  return rows;
}

const wanted = process.argv.slice(2);
const cases = CASES.filter((name) => wanted.length === 0 || wanted.includes(name));
const python = pythonWithTransformers();
const rows: Row[] = [];
for (const name of cases) {
  const directory = mkdtempSync(join(tmpdir(), "clip-blip-parity-"));
  try {
    rows.push(
      ...(!name.startsWith("blip")
        ? await compareClip(name, directory, reference<ClipReference>(python, name, directory))
        : await compareBlip(name, directory, reference<BlipReference>(python, name, directory))),
    );
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
console.table(rows.map(({ passed, ...row }) => ({ ...row, passed: passed ? "yes" : "NO" })));
process.exitCode = rows.length > 0 && rows.every((row) => row.passed) ? 0 : 1;
