import {
  ask,
  type CapabilitiesAnswer,
  type CaptionsAnswer,
  type ClassificationsAnswer,
  type EmbeddingsAnswer,
  form,
} from "./api.js";
import { PictureCard } from "./picture-card.js";
import type { WorkerPool } from "./worker-pool.js";

/** A picture on the page: asks the service about it and shows the answers. */
export class Picture {
  readonly card: PictureCard;
  readonly name: string;
  /** Of length 1; undefined until the service has answered. */
  embedding: number[] | undefined;
  /** Whether the service could not process it. */
  failed = false;
  readonly #file: File;
  readonly #pool: WorkerPool;
  readonly #gone = new AbortController();
  #labelling: AbortController | undefined;

  constructor(file: File, pool: WorkerPool, onRemove: (picture: Picture) => void) {
    this.#file = file;
    this.#pool = pool;
    this.name = file.name || "pasted picture";
    this.card = new PictureCard(file, this.name, () => onRemove(this));
  }

  /** Requests the caption and the embedding. Resolves when both are there or have failed. */
  async describe({ clip, blip }: CapabilitiesAnswer): Promise<void> {
    if (!blip) this.card.hideCaption();
    try {
      await Promise.all([blip && this.#caption(), clip && embedsImages(clip) && this.#embed()]);
    } catch (error) {
      if (this.#gone.signal.aborted) return;
      this.failed = true;
      this.card.showFailure(messageOf(error));
    }
  }

  /** Scores labels and shows them instead of earlier ones. Fewer than two remove them. */
  async label(labels: string[]): Promise<void> {
    this.#labelling?.abort();
    if (labels.length < 2 || this.failed) return this.card.showLabels(undefined);
    const labelling = new AbortController();
    this.#labelling = labelling;
    try {
      const { classifications } = await this.#post<ClassificationsAnswer>(
        "api/v1/classifications",
        { labels },
        labelling.signal,
      );
      this.card.showLabels(classifications[0]);
    } catch (error) {
      // If the picture itself cannot be read, its caption says so.
      if (labelling.signal.aborted || this.#gone.signal.aborted || this.failed) return;
      this.card.showLabelsFailure(messageOf(error));
    }
  }

  /** Shows how well it matches. Returns the cosine to sort by, or undefined if that is not known. */
  match(query: number[] | undefined): number | undefined {
    const { embedding } = this;
    const cosine = query && embedding?.reduce((sum, value, index) => sum + value * query[index]!, 0);
    this.card.showMatch(cosine);
    return cosine;
  }

  remove(): void {
    this.#gone.abort();
    this.card.remove();
  }

  async #caption(): Promise<void> {
    const { captions } = await this.#post<CaptionsAnswer>("api/v1/captions");
    this.card.showCaption(captions[0]!.text);
  }

  async #embed(): Promise<void> {
    const { embeddings } = await this.#post<EmbeddingsAnswer>("api/v1/embeddings/images");
    this.embedding = embeddings[0];
  }

  #post<T>(path: string, fields: Record<string, string[]> = {}, signal?: AbortSignal): Promise<T> {
    const either = signal ? AbortSignal.any([signal, this.#gone.signal]) : this.#gone.signal;
    return this.#pool.run(() => ask<T>(path, { ...form(this.#file, this.name, fields), signal: either }), either);
  }
}

/** False for half a CLIP model that embeds only texts. */
export function embedsImages({ embeds }: { embeds?: string[] }): boolean {
  return embeds?.includes("image") ?? true;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
