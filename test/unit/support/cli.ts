import { PassThrough, Readable } from "node:stream";
import type { CliContext } from "../../../lib/cli/context.js";
import type { CliBlip, CliClip, Library } from "../../../lib/cli/library.js";
import { runProgram } from "../../../lib/cli/program.js";
import { ClipBlipError } from "../../../lib/common/errors.js";
import type { LoadOptions } from "../../../lib/models/load-options.js";

/** What a command line did. */
export interface Ran {
  code: number;
  out: string;
  err: string;
  /** What the library was asked, in order. */
  calls: unknown[];
}

/** How the stand-in for the library behaves. */
export interface Behaviour {
  dimension?: number;
  /** Runs before each picture. */
  onPicture?: (path: string) => void;
  /** Runs before each call with texts. */
  onTexts?: () => Promise<void>;
  loadError?: Error;
  /** Thrown by the stream at a picture whose path contains it. */
  streamError?: Error;
}

/** Pictures named "bad" cannot be decoded; "fatal" ends everything. */
function check(picture: string | Buffer, behaviour: Behaviour): ClipBlipError | undefined {
  const path = String(picture);
  behaviour.onPicture?.(path);
  if (path.includes("fatal")) throw behaviour.streamError ?? new ClipBlipError("ERR_DEVICE_LOST", "The device is gone");
  return path.includes("bad") ? new ClipBlipError("ERR_IMAGE_DECODE", `${path} is no picture`) : undefined;
}

/** A library whose embedding of a picture is its name's length, and whose caption is its name. */
function fakeLibrary(calls: unknown[], behaviour: Behaviour): Library {
  const dimension = behaviour.dimension ?? 3;
  const vector = (text: string) => Float32Array.from({ length: dimension }, (_, index) => text.length / (index + 3));
  const load = (kind: string, source: string, options: LoadOptions) => {
    const { signal: _signal, onProgress: _onProgress, ...shown } = options;
    calls.push([kind, source, shown]);
    if (behaviour.loadError) throw behaviour.loadError;
  };
  const clip: CliClip = {
    encodeImages: async (images) => images.map((image) => vector(String(image))),
    async *encodeImageStream(images, { normalize, signal } = {}) {
      // Of an asynchronous source it is not known what will come.
      calls.push(["images", Symbol.iterator in images ? [...images] : [], normalize]);
      for await (const input of images) {
        signal?.throwIfAborted();
        const error = check(input, behaviour);
        yield error ? { input, error } : { input, embedding: vector(String(input)) };
      }
    },
    encodeTexts: async (texts) => {
      calls.push(["texts", texts.length]);
      await behaviour.onTexts?.();
      return texts.map(vector);
    },
    classify: async (images, labels, { template }) => {
      calls.push(["classify", images, labels, template]);
      for (const [index, image] of images.entries()) {
        const error = check(image, behaviour);
        if (error) throw error.at(index);
      }
      return images.map(() => labels.map((label) => ({ label, score: 1 / labels.length })));
    },
    capabilities: () => ({ dimension, device: "cpu", dtype: "float32", libtorch: "2.13.0" }),
    close: async () => void calls.push("close"),
  };
  const blip: CliBlip = {
    caption: async (images) => images.map((image) => ({ text: image })),
    capabilities: () => ({ device: "cpu", dtype: "float32", libtorch: "2.13.0" }),
    async *captionStream(images, { signal, ...options }) {
      calls.push(["captions", [...images], options]);
      for (const input of images) {
        signal?.throwIfAborted();
        const error = check(input, behaviour);
        yield error ? { input, error } : { input, caption: { text: `a picture of "${input}" & <more>` } };
      }
    },
    close: async () => void calls.push("close"),
  };
  return {
    ClipModel: {
      load: async (source, options) => {
        load("clip", source, options);
        return clip;
      },
    },
    BlipModel: {
      load: async (source, options) => {
        load("blip", source, options);
        return blip;
      },
    },
    exportCheckpoint: async (source, path) => void calls.push(["export", source, path]),
  };
}

function collector(): { stream: PassThrough; text: () => string } {
  const chunks: Buffer[] = [];
  const stream = new PassThrough();
  stream.on("data", (chunk) => chunks.push(chunk));
  return { stream, text: () => Buffer.concat(chunks).toString() };
}

/** Runs a command line against the stand-in. */
export async function run(args: string[], behaviour: Behaviour = {}, context: Partial<CliContext> = {}): Promise<Ran> {
  const calls: unknown[] = [];
  const [out, err] = [collector(), collector()];
  const code = await runProgram(args, {
    library: async () => fakeLibrary(calls, behaviour),
    stdin: Readable.from([]),
    stdout: out.stream,
    stderr: err.stream,
    env: {},
    signal: new AbortController().signal,
    onInterrupt: () => () => {},
    endsItself: () => {},
    ...context,
  });
  return { code, out: out.text(), err: err.text(), calls };
}

/** The lines of JSON Lines, parsed. */
export function jsonLines(text: string): Record<string, unknown>[] {
  return text
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line));
}
