import { CONTENDERS } from "./contenders.mjs";

/** Tokens of each caption, start token included. */
const TOKENS = 20;
/** JPEG files of one call. */
const SMALL_PHOTOS = { width: 640, height: 480, count: 24 };
const LARGE_PHOTOS = { width: 4000, height: 3000, count: 8 };

/**
 * What is compared on a device, in order. Each task: the contenders that take part, how often each runs, and the aims that
 * its results are held to. An aim is a clause, a number that the results give, and its bound.
 */
export function compareTasks(device) {
  return device === "cpu" ? cpuTasks(CONTENDERS.cpu) : gpuTasks(CONTENDERS.cuda);
}

function cpuTasks({ ours, oursFloat32, onnxruntime, transformersJs, python, pythonBfloat16 }) {
  const tower = [ours, oursFloat32, onnxruntime, python, pythonBfloat16];
  const faster = (theirs, mine, least) => ({
    what: `${mine.id} against ${theirs.id}`,
    value: (results) => results.ratio(theirs.id, mine.id),
    least,
    unit: "x",
  });
  return [
    {
      id: "tower-8",
      title: "Image tower from 224 x 224 pixels, batch 8",
      ...{ task: "pixels to vectors", model: "clip-b32", parameters: { batch: 8 }, items: 8, rounds: 20 },
      contenders: tower,
      reference: python.id,
      aims: [
        faster(onnxruntime, oursFloat32, 1),
        faster(onnxruntime, ours, 2),
        {
          what: "default dtype, cosine to float32",
          value: ({ agreement }) => agreement[ours.id],
          least: 0.9999,
          exact: true,
        },
      ],
    },
    {
      id: "tower-1",
      title: "Image tower from 224 x 224 pixels, batch 1",
      ...{ task: "pixels to vectors", model: "clip-b32", parameters: { batch: 1 }, items: 1, rounds: 40 },
      contenders: tower,
      reference: python.id,
      aims: [],
    },
    ...[
      { id: "files-vga", photos: SMALL_PHOTOS, name: "640 x 480" },
      { id: "files-12mp", photos: LARGE_PHOTOS, name: "12 megapixels" },
    ].map(({ id, photos, name }) => ({
      id,
      title: `JPEG files to vectors, ${name}, ${photos.count} in a call`,
      ...{ task: "files to vectors", model: "clip-b32", photos, items: photos.count, rounds: 9 },
      contenders: [ours, oursFloat32, transformersJs, python],
      reference: python.id,
      aims: [faster(transformersJs, ours, 2.5)],
    })),
    {
      id: "captions",
      title: `BLIP base captions, batch 4, ${TOKENS} tokens`,
      ...{ task: "captions", model: "blip-base", parameters: { batch: 4, tokens: TOKENS }, items: 4, rounds: 7 },
      contenders: [ours, oursFloat32, python, pythonBfloat16],
      reference: python.id,
      aims: [faster(python, ours, 4), faster(pythonBfloat16, ours, 1.5)],
    },
    ...overheadTasks(ours),
    {
      id: "load",
      title: "Load ViT-B/32 from a warm disk, then two calls with one picture",
      ...{ task: "load and first call", model: "clip-b32", fresh: true, rounds: 7 },
      photos: { ...SMALL_PHOTOS, count: 1 },
      contenders: [ours, onnxruntime, transformersJs, python],
      aims: [
        {
          what: "an archive loads, LibTorch with it",
          value: ({ parts }) => parts[ours.id].load / 1000,
          most: 1,
          unit: "s",
        },
        {
          what: "first vector, next to the second",
          value: ({ parts }) => parts[ours.id].first / parts[ours.id].second,
          most: 1.2,
          unit: "x",
        },
      ],
    },
    {
      id: "event-loop",
      title: "The event loop under full load",
      ...{ task: "event loop", model: "clip-b32", rounds: 1, seconds: { ours: 60, peers: 15 } },
      photos: SMALL_PHOTOS,
      contenders: [ours, onnxruntime, transformersJs],
      aims: [
        { what: "delay of the event loop, p99", value: ({ parts }) => parts[ours.id].loopP99, most: 10, unit: "ms" },
        { what: "fs.readFile, the slowest", value: ({ parts }) => parts[ours.id].readMax, most: 50, unit: "ms" },
      ],
    },
  ];
}

/** What the library adds to the addon's encodeImages, both in one process with the same weights. */
function overheadTasks(ours) {
  const library = { ...ours, id: "library", variant: "library" };
  const binding = { ...ours, id: "bare binding", variant: "binding" };
  const task = { task: "overhead", model: "clip-b32", contenders: [library, binding] };
  return [
    {
      id: "overhead-8",
      title: "What the library adds to the addon's own call, batch 8",
      ...{ ...task, parameters: { batch: 8 }, items: 8, rounds: 60 },
      aims: [
        {
          what: "the library adds",
          value: ({ ratio }) => 100 * (ratio(library.id, binding.id) - 1),
          most: 3,
          unit: "%",
        },
      ],
    },
    {
      id: "overhead-1",
      title: "What the library adds to the addon's own call, batch 1",
      ...{ ...task, parameters: { batch: 1 }, items: 1, rounds: 100 },
      aims: [{ what: "the library adds", value: ({ extra }) => extra(library.id, binding.id), most: 1, unit: "ms" }],
    },
  ];
}

function gpuTasks({ ours, oursFloat32, python, compiled }) {
  return [
    ...[256, 64, 8, 1].map((batch) => ({
      id: `tower-${batch}`,
      title: `Image tower from 224 x 224 pixels, batch ${batch}`,
      ...{ task: "pixels to vectors", model: "clip-b32", parameters: { batch }, items: batch, rounds: 30 },
      contenders: [ours, ...(batch === 8 ? [oursFloat32] : []), python, compiled],
      reference: python.id,
      aims: [],
    })),
    {
      id: "files-vga",
      title: `JPEG files to vectors, 640 x 480, ${SMALL_PHOTOS.count} in a call`,
      ...{ task: "files to vectors", model: "clip-b32", photos: SMALL_PHOTOS, items: SMALL_PHOTOS.count, rounds: 20 },
      contenders: [ours, python],
      reference: python.id,
      aims: [],
    },
    ...[64, 1].map((batch) => ({
      id: `captions-${batch}`,
      title: `BLIP base captions, batch ${batch}, ${TOKENS} tokens`,
      ...{ task: "captions", model: "blip-base", parameters: { batch, tokens: TOKENS }, items: batch, rounds: 10 },
      contenders: [ours, python, compiled],
      reference: python.id,
      aims: [],
    })),
    ...overheadTasks(ours),
  ];
}
