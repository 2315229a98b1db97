import type { ClipBlipError } from "../common/errors.js";
import type { ImageInput } from "../input/types.js";
import type { LoadOptions, LoadProgress } from "../models/load-options.js";

/** One picture of a stream: its value, or its own error. */
export type StreamItem<V extends object> = { input: unknown } & (V | { error: ClipBlipError });

interface Loaded {
  close(): Promise<void>;
}

/** What the commands use of a CLIP model. */
export interface CliClip extends Loaded {
  encodeImages(images: ImageInput[], options?: { signal?: AbortSignal }): Promise<Float32Array[]>;
  encodeImageStream(
    images: Iterable<string | Buffer> | AsyncIterable<string>,
    options?: { normalize?: boolean; signal?: AbortSignal },
  ): AsyncIterable<StreamItem<{ embedding: Float32Array }>>;
  encodeTexts(texts: string[], options?: { normalize?: boolean; signal?: AbortSignal }): Promise<Float32Array[]>;
  classify(
    images: (string | Buffer)[],
    labels: string[],
    options: { template?: string; signal?: AbortSignal },
  ): Promise<{ label: string; score: number }[][]>;
  capabilities(): { dimension?: number; device?: string; dtype?: string; libtorch?: string };
}

/** What the commands use of a BLIP model. */
export interface CliBlip extends Loaded {
  caption(images: string[], options?: { signal?: AbortSignal }): Promise<{ text: string }[]>;
  captionStream(
    images: Iterable<string | Buffer>,
    options: { prompt?: string; numBeams?: number; maxLength?: number; minLength?: number; signal?: AbortSignal },
  ): AsyncIterable<StreamItem<{ caption: { text: string } }>>;
  capabilities(): { device?: string; dtype?: string; libtorch?: string };
}

/** What the commands use of the library: public names only, so that tests can replace it. */
export interface Library {
  ClipModel: { load(source: string, options: LoadOptions): Promise<CliClip> };
  BlipModel: { load(source: string, options: LoadOptions): Promise<CliBlip> };
  exportCheckpoint(
    source: string,
    path: string,
    options: { imageSize?: number; signal?: AbortSignal; onProgress?: (progress: LoadProgress) => void },
  ): Promise<void>;
}
