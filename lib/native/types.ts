/**
 * The contract between TypeScript and the C++ addon. Every call that takes time returns a promise and runs on libuv's
 * thread pool. Arguments are validated in TypeScript; the addon checks what would be unsafe to trust.
 *
 * A rejected promise carries a `NativeError`: an Error whose `code` is one of `NativeErrorCode`.
 */

/** An element type, named as in safetensors. */
export type TensorDtype = "F64" | "F32" | "F16" | "BF16" | "I64" | "I32" | "I16" | "I8" | "U8" | "BOOL";

/** The dtypes that a model can run in. */
export type ModelDtype = "float32" | "bfloat16" | "float16";

/** A tensor in a weights file: where its bytes are and what they mean. Offsets and lengths are in bytes. */
export interface TensorSlice {
  /** Path of the file that contains the bytes. */
  file: string;
  /** Offset of the storage in the file. */
  offset: number;
  /** Size of the storage. */
  byteLength: number;
  dtype: TensorDtype;
  shape: number[];
  /** In elements; absent for a contiguous tensor. */
  strides?: number[];
  /** In elements, from `offset`. Default 0. */
  storageOffset?: number;
}

/** How a parameter of a TorchScript module is assembled from the tensors of a checkpoint. */
export interface ParameterSpec {
  name: string;
  /**
   * The pieces of each layer are concatenated along dimension 0; the layers are then stacked along a new dimension 0.
   */
  layers: TensorSlice[][];
  /** False if there is one layer, for which no dimension is added. */
  stacked: boolean;
  /** Whether to swap the two dimensions of the piece (OpenAI's projections are stored transposed). */
  transpose?: boolean;
}

/** A TorchScript module: its methods as source text, its constants and its parameters. */
export interface ModuleSpec {
  /** Method definitions for `torch::jit::Module::define`. */
  source: string;
  ints: Record<string, number>;
  floats: Record<string, number>;
  bools: Record<string, boolean>;
  parameters: ParameterSpec[];
}

/** A module held by the addon. Opaque: only the addon reads it, and it rejects anything else in its place. */
export type ModuleHandle = { readonly __moduleHandle: unique symbol };

/** Where a module's weights go; without `dtype`, they keep their stored dtype. */
export interface Placement {
  /** "cpu", "cuda:0", … */
  device: string;
  dtype?: ModelDtype;
  /** Prepare the module to run as fast as possible; it can then no longer be saved. Default false. */
  prepare?: boolean;
}

/** A range of adjacent columns of a picture. */
export interface Columns {
  begin: number;
  length: number;
}

/** How decoded pixels are brought to the model's input size, from preprocessor_config.json. */
export interface ResizePlan {
  /**
   * The new length of the shorter side, keeping proportions, or less if the longer side would exceed `longestEdge`; or
   * an exact size; or null for no resize.
   */
  resize: { shortestEdge: number; longestEdge?: number } | { height: number; width: number } | null;
  /** Pillow's names. */
  resample: "nearest" | "box" | "bilinear" | "hamming" | "bicubic" | "lanczos";
  /** A centre crop after the resize, padded with black if the picture is smaller; or null. */
  crop: { height: number; width: number } | null;
}

/** `(value * scale - mean[c]) / std[c]`, computed in float32 on the device. */
export interface NormalizePlan {
  scale: number;
  mean: [number, number, number];
  std: [number, number, number];
}

/** Options of each call on a device. */
export interface RunOptions {
  /** Maximum bytes of activations of this call, enforced by the allocator. Default: no limit. */
  memoryLimit?: number | undefined;
  /** When the allocator's cache is given back to the device, whether the call succeeds or fails. */
  releaseCache: CacheRelease;
  /**
   * Whether the call may be recorded and replayed as a CUDA graph. The memory of such a call belongs to the graph, and
   * is not in its `peakBytes`. Default true.
   */
  record?: boolean | undefined;
}

/**
 * When an accelerator's allocator gives back its cache: after each call, before the next one starts; when the device
 * has been idle for 2 ms; or when memory runs out. The result of a call never waits for it.
 */
export type CacheRelease = "after-call" | "when-idle" | "on-out-of-memory";

/** What each call on a device returns besides its result. */
export interface RunStats {
  /** Peak memory of the call, in bytes above what was allocated when it started. */
  peakBytes: number;
}

export interface EmbeddingResult extends RunStats {
  /** Row-major [rows, dimension]. */
  data: Float32Array;
  dimension: number;
}

/**
 * Interleaved RGB, `width * height * 3` bytes each. The memory is either owned by this package and never exposed to a
 * caller, or shared memory, so it is never detached.
 */
export interface PixelBatch {
  pixels: Uint8Array[];
  height: number;
  width: number;
  normalize: NormalizePlan;
}

/** How the texts of one call are generated, in the terms of Hugging Face transformers. */
export interface GenerationSettings {
  endTokenId: number;
  padTokenId: number;
  /** 1: no beam search. */
  numBeams: number;
  /** Number of texts for each prompt: 1 in greedy search, at most `numBeams` in beam search. */
  numReturnSequences: number;
  lengthPenalty: number;
  earlyStopping: boolean | "never";
  /** 1: no penalty. */
  repetitionPenalty: number;
  /** 0: no limit. */
  noRepeatNgramSize: number;
  /** Token ids of words and phrases that must not occur; none of them empty. */
  badWords: Int32Array[];
  doSample: boolean;
  temperature: number;
  /** 0: no limit. */
  topK: number;
  topP: number;
}

/** The beginning of a text, and the settings that may differ between texts. */
export interface Prompt {
  /** Start token first. */
  ids: Int32Array;
  /** Maximum number of tokens of the whole sequence, prompt and start token included: transformers' `max_length`. */
  maxLength: number;
  /** Minimum number of tokens before the end token may be chosen: transformers' `min_length`. */
  minLength: number;
  /** Seed of the random numbers for sampling. */
  seed: number;
}

export interface GenerationResult extends RunStats {
  /**
   * Token ids, starting with the prompt and ending with the end token if it was reached. `numReturnSequences` for each
   * prompt in a row, best first.
   */
  sequences: Int32Array[];
  /**
   * The score of each sequence. Beam search: the sum of the log-probabilities of the tokens after the prompt, divided
   * by their number to the power of `lengthPenalty`. Otherwise their mean log-probability, each in the distribution
   * that it was chosen from.
   */
  scores: Float32Array;
}

/** Texts about the pictures of a batch. */
export interface TextsAboutPictures {
  /** Token ids of each text. */
  texts: Int32Array[];
  /** For each text, the index of its picture in the batch. */
  picture: Int32Array;
}

export interface MatchResult extends RunStats {
  /** For each text, the probability that it describes its picture. */
  probabilities: Float32Array;
  /** For each text, its cosine with its picture. */
  similarities: Float32Array;
}

export interface DeviceMemory {
  /** Bytes that tensors hold now (on the CPU: those allocated in device calls and model loads). */
  allocated: number;
  /** Bytes that the allocator holds, cached blocks included. */
  reserved: number;
  /** Peak of the bytes held since `resetPeak`. */
  peak: number;
  /** Bytes of `reserved` that belong to no tensor, but to recorded graphs, which write to them when they run. */
  heldByGraphs: number;
  /** Bytes free on the device, as the driver reports; absent on the CPU. */
  free?: number;
  /** Total bytes of the device; absent on the CPU. */
  total?: number;
}

export interface NativeDevice {
  /** "cpu" or "cuda:<index>". */
  name: string;
  description: string;
}

export type NativeErrorCode =
  | "OUT_OF_MEMORY"
  | "DEVICE_LOST"
  | "DEVICE_NOT_FOUND"
  | "MODEL_INVALID"
  | "INVALID_ARGUMENT"
  | "UNLOADED"
  | "IO"
  | "INTERNAL";

export interface NativeError extends Error {
  code: NativeErrorCode;
}

/** The addon's exports. */
export interface NativeBinding {
  /** Version of the loaded LibTorch, such as "2.13.0". */
  torchVersion(): string;
  /** The CPU first, then every accelerator. Never throws: if a driver fails, its accelerators are not listed. */
  devices(): NativeDevice[];
  /** Whether the CPU multiplies bfloat16 matrices in hardware (AVX512-BF16 or AMX). */
  cpuHasFastBfloat16(): boolean;

  /** Builds a module from a checkpoint's tensors, one parameter at a time, directly on the device. */
  buildModule(spec: ModuleSpec, placement: Placement): Promise<ModuleHandle>;
  /** Writes a module and extra files as one TorchScript archive. The file appears complete or not at all. */
  saveModule(module: ModuleHandle, path: string, extraFiles: Record<string, string>): Promise<void>;
  /** Reads the named extra files of an archive without loading the module; missing ones are omitted. */
  readExtraFiles(path: string, names: string[]): Promise<Record<string, string>>;
  /** Loads an archive onto a device. */
  loadModule(path: string, placement: Placement): Promise<ModuleHandle>;
  /**
   * Frees the weights. Resolves when that is done, or when a call that still uses them has been left to do it.
   * Idempotent; later calls with the handle reject with UNLOADED.
   */
  unloadModule(module: ModuleHandle): Promise<void>;
  /** Bytes of the module's parameters on its device. */
  moduleBytes(module: ModuleHandle): number;
  /** Number of modules loaded in this process, for leak tests; an unused one is gone as soon as it is unloaded. */
  liveModules(): number;
  /** Number of this process's calls that wait for a pool thread, run, or have not been cleaned up; for leak tests. */
  liveJobs(): number;

  /** The columns of a picture of this size that its crop needs. */
  neededColumns(width: number, height: number, plan: ResizePlan): Columns;
  /**
   * Resizes and crops a picture of interleaved 8-bit RGB, with the same bytes as Pillow: [height, width, 3] uint8.
   * `rgb` contains the `columns` of each row, which must include those needed; default: all.
   */
  preprocess(
    rgb: Uint8Array,
    width: number,
    height: number,
    plan: ResizePlan,
    columns?: Columns,
  ): Promise<{ pixels: Uint8Array; height: number; width: number }>;

  /** Runs the image tower of a CLIP model; rows in the order given, L2-normalized on request. */
  encodeImages(
    module: ModuleHandle,
    batch: PixelBatch,
    l2Normalize: boolean,
    options: RunOptions,
  ): Promise<EmbeddingResult>;
  /** Runs the text tower of a CLIP model; `ids` is row-major [rows, length], padded. */
  encodeTexts(
    module: ModuleHandle,
    ids: Int32Array,
    rows: number,
    l2Normalize: boolean,
    options: RunOptions,
  ): Promise<EmbeddingResult>;
  /** Writes captions with a BLIP model; one prompt per picture, of any length. */
  caption(
    module: ModuleHandle,
    batch: PixelBatch,
    prompts: Prompt[],
    generation: GenerationSettings,
    options: RunOptions,
  ): Promise<GenerationResult>;

  /** Answers questions with a BLIP model; for each question one prompt, the beginning of the answer. */
  answer(
    module: ModuleHandle,
    batch: PixelBatch,
    questions: TextsAboutPictures,
    prompts: Prompt[],
    generation: GenerationSettings,
    options: RunOptions,
  ): Promise<GenerationResult>;
  /** Scores how well texts describe pictures, with a BLIP model for image-text matching. */
  match(module: ModuleHandle, batch: PixelBatch, about: TextsAboutPictures, options: RunOptions): Promise<MatchResult>;

  /** Takes a device's turn if no thread of the process holds it; returns false if one does. */
  tryAcquireDevice(device: string): boolean;
  /** Resolves when the caller has the turn: first come, first served, across all threads of the process. */
  acquireDevice(device: string): Promise<void>;
  /** Ends this thread's turn. A thread that exits gives up its turns automatically. */
  releaseDevice(device: string): void;
  /** Number of waiters for a device's turn, in all threads of the process. */
  waitingForDevice(device: string): number;
  /** Marks a device as failed for good, in all threads. The first reason is kept. */
  markDeviceLost(device: string, reason: string): void;
  /** Why a device is lost; undefined while it can be used. */
  lostReason(device: string): string | undefined;

  memory(device: string): DeviceMemory;
  resetPeak(device: string): void;
  /** Frees the blocks that a device's allocator caches for reuse. */
  emptyCache(device: string): Promise<void>;
}
