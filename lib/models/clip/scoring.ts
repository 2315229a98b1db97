import type { ClipDescription } from "../../checkpoint/description.js";

/** How a checkpoint turns cosines into logits, and a picture's logits into scores. */
export interface Scoring {
  logit(cosine: number): number;
  scores(logits: readonly number[]): number[];
}

/**
 * CLIP compares labels with each other; SigLIP judges each on its own. Undefined if the checkpoint has no logit scale.
 */
export function scoringOf({ architecture, logitScale, logitBias = 0 }: ClipDescription): Scoring | undefined {
  if (logitScale === undefined) return undefined;
  return {
    logit: (cosine) => logitScale * cosine + logitBias,
    scores: (logits) => (architecture === "siglip" ? logits.map(sigmoid) : softmax(logits)),
  };
}

/** The logistic function. */
export function sigmoid(logit: number): number {
  return 1 / (1 + Math.exp(-logit));
}

/** Softmax; the largest value is subtracted first, so that no exponential overflows. */
export function softmax(logits: readonly number[]): number[] {
  const largest = logits.reduce((most, logit) => Math.max(most, logit), Number.NEGATIVE_INFINITY);
  const exponentials = logits.map((logit) => Math.exp(logit - largest));
  const sum = exponentials.reduce((total, value) => total + value, 0);
  return exponentials.map((value) => value / sum);
}
