import { judge } from "../common/aims.mjs";

const GIB = 2 ** 30;
/** What parts/compile.mjs calls itself. */
export const COMPILED = "transformers torch.compile, max-autotune";

/** What the figures are held to: a clause, the number that the figures give, and its bound. */
const AIMS = [
  { what: "ViT-B/32 image tower, large batches", value: (f) => f.fastest("clip-b32"), least: 45_000, unit: "images/s" },
  { what: "ViT-L/14 image tower, large batches", value: (f) => f.fastest("clip-l14"), least: 2900, unit: "images/s" },
  { what: "ViT-B/32 image tower, batch 1", value: (f) => f.time("tower", "clip-b32", 1), most: 0.6, unit: "ms" },
  {
    what: "BLIP base captions, batch 64",
    value: (f) => 64_000 / f.time("caption", "blip-base", 64),
    least: 1500,
    unit: "images/s",
  },
  { what: "BLIP base captions, batch 1", value: (f) => f.time("caption", "blip-base", 1), most: 15, unit: "ms" },
  {
    what: "ViT-B/32, batch 256, against transformers eager",
    value: (f) => f.ratio("tower", "clip-b32", 256),
    least: 2.5,
    unit: "x",
  },
  {
    what: "ViT-B/32, batch 1, against transformers eager",
    value: (f) => f.ratio("tower", "clip-b32", 1),
    least: 8,
    unit: "x",
  },
  {
    what: "ViT-B/32, batch 256, against torch.compile max-autotune",
    value: (f) => f.ratio("tower", "clip-b32", 256, COMPILED),
    least: 1.15,
    unit: "x",
  },
  {
    what: "BLIP base, batch 64, against transformers eager",
    value: (f) => f.ratio("caption", "blip-base", 64),
    least: 6,
    unit: "x",
  },
  {
    what: "BLIP base, batch 1, against transformers eager",
    value: (f) => f.ratio("caption", "blip-base", 1),
    least: 6,
    unit: "x",
  },
  {
    what: "the cache guard costs, batch 64",
    value: (f) => f.find({ kind: "guard", policy: "after-call" }).costPercent,
    most: 2,
    unit: "%",
  },
  {
    what: "utilisation from pre-decoded pixels",
    value: (f) => f.find({ kind: "utilisation" }).percent,
    least: 90,
    unit: "%",
  },
  {
    what: "JPEG to vector, of what decoding alone reaches",
    value: (f) => 100 * f.find({ kind: "end-to-end" }).share,
    least: 95,
    unit: "%",
  },
  {
    what: "25 pictures from files to vectors",
    value: (f) => f.find({ kind: "files", model: "clip-b32" }).median / 1000,
    most: 0.3,
    unit: "s",
  },
  {
    what: "25 pictures from files to captions",
    value: (f) => f.find({ kind: "files", model: "blip-base" }).median / 1000,
    most: 0.6,
    unit: "s",
  },
  {
    what: "ViT-B/32, cosine to float32",
    value: (f) => f.find({ kind: "fidelity", model: "clip-b32" }).cosine,
    least: 0.999,
    exact: true,
  },
  {
    what: "ViT-L/14, cosine to float32",
    value: (f) => f.find({ kind: "fidelity", model: "clip-l14" }).cosine,
    least: 0.999,
    exact: true,
  },
  { what: "probe of ViT-B/32", value: (f) => f.find({ kind: "probe" }).seconds, most: 2, unit: "s" },
  { what: "safe batch of ViT-B/32 in 8 GiB", value: (f) => f.find({ kind: "probe" }).safeBatchSize, least: 401 },
  {
    what: "peak of the probe, of 8 GiB",
    value: (f) => (100 * f.find({ kind: "probe" }).peakBytes) / (8 * GIB),
    most: 80,
    unit: "%",
  },
  {
    what: "memory left behind by loading and unloading",
    value: (f) => f.find({ kind: "unload" }).growthBytes,
    most: 0,
    unit: "bytes",
  },
  {
    what: "an archive of ViT-B/32 loads, LibTorch with it",
    value: (f) => f.find({ kind: "load" }).load / 1000,
    most: 1,
    unit: "s",
  },
];

/** Every aim with what was measured for it; an aim whose figures are missing is not measured. */
export function judgeAims(figures) {
  const ask = questions(figures);
  return AIMS.map((aim) => {
    try {
      return judge(aim, aim.value(ask));
    } catch {
      return judge(aim, undefined);
    }
  });
}

/** What an aim may ask of the figures; throws where there is none. */
function questions(figures) {
  const find = (wanted) => {
    const found = figures.find((figure) => Object.entries(wanted).every(([key, value]) => figure[key] === value));
    if (!found) throw new Error("not measured");
    return found;
  };
  const time = (kind, model, batch, contender = "clip-blip") => find({ kind, model, batch, contender }).median;
  return {
    find,
    /** Median milliseconds of a call. */
    time,
    /** How many times slower transformers is, eager where nothing else is said. */
    ratio: (kind, model, batch, contender = "transformers eager") =>
      time(kind, model, batch, contender) / time(kind, model, batch),
    /** The most images a second over all batches. */
    fastest: (model) =>
      Math.max(
        ...figures
          .filter((figure) => figure.kind === "tower" && figure.model === model && figure.contender === "clip-blip")
          .map(({ batch, median }) => (1000 * batch) / median),
      ),
  };
}
