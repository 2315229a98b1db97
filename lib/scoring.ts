import type { ClipDescription } from "./checkpoint/description.js";
import { sigmoid, softmax } from "./probabilities.js";

/** How a checkpoint turns cosines into logits, and the logits of a picture's labels into scores. */
export interface Scoring {
  logit(cosine: number): number;
  scores(logits: readonly number[]): number[];
}

/** CLIP compares the labels with each other, SigLIP judges each by itself. Undefined for half a checkpoint. */
export function scoringOf({ architecture, logitScale, logitBias = 0 }: ClipDescription): Scoring | undefined {
  if (logitScale === undefined) return undefined;
  return {
    logit: (cosine) => logitScale * cosine + logitBias,
    scores: (logits) => (architecture === "siglip" ? logits.map(sigmoid) : softmax(logits)),
  };
}
