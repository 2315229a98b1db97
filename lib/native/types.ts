/**
 * The contract between TypeScript and the C++ addon. Every call that takes time returns a promise and runs on libuv's
 * thread pool; arguments are validated here in TypeScript, the addon checks what would be unsafe to trust.
 *
 * A rejected promise carries a `NativeError`: an Error whose `code` is one of `NativeErrorCode`.
 */

/** An element type as safetensors writes it. */
export type TensorDtype = "F64" | "F32" | "F16" | "BF16" | "I64" | "I32" | "I16" | "I8" | "U8" | "BOOL";

/** The dtypes that a model runs in. */
export type ModelDtype = "float32" | "bfloat16" | "float16";

/** One tensor inside a weight file: where its bytes are and what they mean. Offsets and lengths are in bytes. */
export interface TensorSlice {
  /** Path of the file that holds the bytes. */
  file: string;
  /** First byte of the storage in the file. */
  offset: number;
  /** Bytes of the storage. */
  byteLength: number;
  dtype: TensorDtype;
  shape: number[];
  /** In elements; left out for a contiguous tensor. */
  strides?: number[];
  /** In elements, from `offset`; 0 when left out. */
  storageOffset?: number;
}

/** How one parameter of a TorchScript module is put together from the tensors of a checkpoint. */
export interface ParameterSpec {
  name: string;
  /** The pieces of each layer are concatenated along dimension 0, the layers then stacked along a new dimension 0. */
  layers: TensorSlice[][];
  /** false: there is one layer, and no dimension is added for it. */
  stacked: boolean;
  /** The two dimensions of the piece are exchanged (OpenAI's projections are stored so). */
  transpose?: boolean;
}

/** Everything that makes a TorchScript module: its methods as text, its constants, and its parameters. */
export interface ModuleSpec {
  /** Method definitions for `torch::jit::Module::define`. */
  source: string;
  ints: Record<string, number>;
  floats: Record<string, number>;
  bools: Record<string, boolean>;
  parameters: ParameterSpec[];
}

/** A module held by the addon. Opaque: only the addon reads it, and it refuses anything else in its place. */
export type ModuleHandle = { readonly __moduleHandle: unique symbol };

/** Where a module's weights go; without `dtype` they keep the type they are stored in. */
export interface Placement {
  /** "cpu", "cuda:0", … */
  device: string;
  dtype?: ModelDtype;
  /** Ready to run as fast as it can, and for nothing else: such a module cannot be saved. Default false. */
  prepare?: boolean;
}

/** Some columns of a picture, side by side. */
export interface Columns {
  begin: number;
  length: number;
}

/** From decoded pixels to the model's input size, as preprocessor_config.json says. */
export interface ResizePlan {
  /** The shorter side becomes this, the other keeps the proportion; or an exact size; or null: no resize. */
  resize: { shortestEdge: number } | { height: number; width: number } | null;
  /** Pillow's names. */
  resample: "nearest" | "bilinear" | "bicubic" | "lanczos";
  /** A centre crop after the resize, padded with black where the picture is smaller; or null. */
  crop: { height: number; width: number } | null;
}

/** `(value * scale - mean[c]) / std[c]`, computed in float32 on the device. */
export interface NormalizePlan {
  scale: number;
  mean: [number, number, number];
  std: [number, number, number];
}

/** What each call on a device is told beside its input. */
export interface RunOptions {
  /** Bytes that this call may hold for activations; no limit when left out. The allocator enforces it. */
  memoryLimit?: number;
  /** When what the allocator has cached goes back to the device, in success and in failure. */
  releaseCache: CacheRelease;
  /**
   * Whether the call may be recorded, and started as a CUDA graph; default true. What such a call holds lies in the
   * graphs' own memory, and is not in its `peakBytes`.
   */
  record?: boolean;
}

/**
 * When the cache of an accelerator's allocator goes back: behind each call, before the next one begins; when the device
 * has had no work for 2 ms; or when memory runs out. The answer of a call never waits for it.
 */
export type CacheRelease = "after-call" | "when-idle" | "on-out-of-memory";

/** What each call on a device gives back beside its result. */
export interface RunStats {
  /** The most bytes the call held at a time, above what was allocated when it began. */
  peakBytes: number;
}

export interface EmbeddingResult extends RunStats {
  /** Row-major [rows, dimension]. */
  data: Float32Array;
  dimension: number;
}

/**
 * Interleaved RGB, `width * height * 3` bytes. Owned by this package and never shown to a caller, or shared memory: never
 * detached.
 */
export interface PixelBatch {
  pixels: Uint8Array[];
  height: number;
  width: number;
  normalize: NormalizePlan;
}

/** How the texts of one call are written; the words are those of Hugging Face transformers. */
export interface GenerationSettings {
  endTokenId: number;
  padTokenId: number;
  /** 1: no beam search. */
  numBeams: number;
  /** Texts for each prompt: 1 in greedy search, at most `numBeams` in beam search. */
  numReturnSequences: number;
  lengthPenalty: number;
  earlyStopping: boolean | "never";
  /** 1: none. */
  repetitionPenalty: number;
  /** 0: no limit. */
  noRepeatNgramSize: number;
  /** Token ids of words and phrases that are not written; none of them empty. */
  badWords: Int32Array[];
  doSample: boolean;
  temperature: number;
  /** 0: no limit. */
  topK: number;
  topP: number;
}

/** What one text begins with, and what may differ from text to text. */
export interface Prompt {
  /** Start token first. */
  ids: Int32Array;
  /** Tokens of the whole sequence, prompt and start token included, as `max_length` of transformers. */
  maxLength: number;
  /** The end token is not chosen before the sequence is this long, as `min_length` of transformers. */
  minLength: number;
  /** Of the numbers that samples are drawn with. */
  seed: number;
}

export interface GenerationResult extends RunStats {
  /**
   * Token ids, prompt first, end token last where it was reached: `numReturnSequences` for each prompt one after
   * another, best first.
   */
  sequences: Int32Array[];
  /**
   * Of each sequence. Beam search: the sum of the log-probabilities of the tokens after the prompt, divided by their
   * number to the power of `lengthPenalty`. Else their mean log-probability, each in the distribution that it was
   * chosen from.
   */
  scores: Float32Array;
}

/** Texts about the pictures of a batch. */
export interface TextsAboutPictures {
  /** Token ids of each text. */
  texts: Int32Array[];
  /** Position in the batch of the picture that each text is about. */
  picture: Int32Array;
}

export interface MatchResult extends RunStats {
  /** Of each text: the probability that it describes its picture. */
  probabilities: Float32Array;
  /** Of each text: its cosine with its picture. */
  similarities: Float32Array;
}

export interface DeviceMemory {
  /** Bytes that tensors hold now (on the CPU: those made within device calls and model loads). */
  allocated: number;
  /** Bytes that the allocator holds, cached blocks included. */
  reserved: number;
  /** The most bytes held since `resetPeak`. */
  peak: number;
  /** Bytes of `reserved` that no tensor has, and that recorded graphs write to when they run. */
  heldByGraphs: number;
  /** Bytes free on the device as the driver sees it; absent on the CPU. */
  free?: number;
  /** Bytes of the device; absent on the CPU. */
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
  /** Version of the LibTorch that is loaded, such as "2.13.0". */
  torchVersion(): string;
  /** The CPU first, then every accelerator. Never throws: a driver that fails counts as no accelerator. */
  devices(): NativeDevice[];
  /** Whether the CPU multiplies bfloat16 matrices in hardware (AVX512-BF16 or AMX). */
  cpuHasFastBfloat16(): boolean;

  /** Builds a module from a checkpoint's tensors, one parameter at a time, straight onto the device. */
  buildModule(spec: ModuleSpec, placement: Placement): Promise<ModuleHandle>;
  /** Writes a module and extra files as one TorchScript archive. The file appears whole or not at all. */
  saveModule(module: ModuleHandle, path: string, extraFiles: Record<string, string>): Promise<void>;
  /** The named extra files of an archive, without loading the module; a name that is absent is left out. */
  readExtraFiles(path: string, names: string[]): Promise<Record<string, string>>;
  /** Loads an archive onto a device. */
  loadModule(path: string, placement: Placement): Promise<ModuleHandle>;
  /**
   * Frees the weights; resolves when that is done, or left to a call that uses them still. Idempotent; later calls with
   * the handle reject with UNLOADED.
   */
  unloadModule(module: ModuleHandle): Promise<void>;
  /** Bytes of the module's parameters on its device. */
  moduleBytes(module: ModuleHandle): number;
  /** Modules that are loaded in this process, for leak tests; one that no call uses is gone as soon as it is unloaded. */
  liveModules(): number;
  /** Calls of this process that wait for a pool thread, run, or have not been cleared away; for leak tests. */
  liveJobs(): number;

  /** The columns of a picture of this size that its crop is made of. */
  neededColumns(width: number, height: number, plan: ResizePlan): Columns;
  /**
   * Resize and crop of one picture of interleaved 8-bit RGB; [height, width, 3] uint8. The same bytes as Pillow gives.
   * `rgb` has the `columns` of each row, those needed among them; default: all.
   */
  preprocess(
    rgb: Uint8Array,
    width: number,
    height: number,
    plan: ResizePlan,
    columns?: Columns,
  ): Promise<{ pixels: Uint8Array; height: number; width: number }>;

  /** Image tower of a CLIP model: rows in the order given; L2-normalised on request. */
  encodeImages(
    module: ModuleHandle,
    batch: PixelBatch,
    l2Normalize: boolean,
    options: RunOptions,
  ): Promise<EmbeddingResult>;
  /** Text tower of a CLIP model: `ids` is row-major [rows, length], padded. */
  encodeTexts(
    module: ModuleHandle,
    ids: Int32Array,
    rows: number,
    l2Normalize: boolean,
    options: RunOptions,
  ): Promise<EmbeddingResult>;
  /** Captions of a BLIP model; one prompt per picture, whose lengths may differ. */
  caption(
    module: ModuleHandle,
    batch: PixelBatch,
    prompts: Prompt[],
    generation: GenerationSettings,
    options: RunOptions,
  ): Promise<GenerationResult>;

  /** Answers of a BLIP model for question answering; one prompt, the beginning of the answer, for each question. */
  answer(
    module: ModuleHandle,
    batch: PixelBatch,
    questions: TextsAboutPictures,
    prompts: Prompt[],
    generation: GenerationSettings,
    options: RunOptions,
  ): Promise<GenerationResult>;
  /** How well texts describe pictures, by a BLIP model for image-text matching. */
  match(module: ModuleHandle, batch: PixelBatch, about: TextsAboutPictures, options: RunOptions): Promise<MatchResult>;

  /** Takes a device's turn where nobody in the process holds it, in any thread; false: somebody does. */
  tryAcquireDevice(device: string): boolean;
  /** Resolves when the turn has come: first come, first served, over all threads of the process. */
  acquireDevice(device: string): Promise<void>;
  /** Ends this thread's turn. A thread that ends gives up its turns by itself. */
  releaseDevice(device: string): void;
  /** Those who wait for a device's turn, in all threads of the process. */
  waitingForDevice(device: string): number;
  /** Tells all threads that a device has failed for good. The first reason stays. */
  markDeviceLost(device: string, reason: string): void;
  /** Why a device is lost; undefined while it can be used. */
  lostReason(device: string): string | undefined;

  memory(device: string): DeviceMemory;
  resetPeak(device: string): void;
  /** Frees the blocks that the allocator of a device keeps for reuse. */
  emptyCache(device: string): Promise<void>;
}
