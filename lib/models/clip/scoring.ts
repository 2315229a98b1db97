import type { ClipDescription } from "../../checkpoint/description.js";

/** How a checkpoint turns cosines into logits, and the logits of a picture's labels into scores. */
export interface Scoring {
  logit(cosine: number): number;
  scores(logits: readonly number[]): number[];
}

/** CLIP compares the labels with each other, SigLIP judges each by itself. Undefined for a checkpoint with one tower. */
export function scoringOf({ architecture, logitScale, logitBias = 0 }: ClipDescription): Scoring | undefined {
  if (logitScale === undefined) return undefined;
  return {
    logit: (cosine) => logitScale * cosine + logitBias,
    scores: (logits) => (architecture === "siglip" ? logits.map(sigmoid) : softmax(logits)),
  };
}

/** The logistic function, of each logit by itself. */
export function sigmoid(logit: number): number {
  return 1 / (1 + Math.exp(-logit));
}

/** Softmax. The largest value is subtracted first, so that no exponential overflows. */
export function softmax(logits: readonly number[]): number[] {
  const largest = logits.reduce((most, logit) => Math.max(most, logit), Number.NEGATIVE_INFINITY);
  const exponentials = logits.map((logit) => Math.exp(logit - largest));
  const sum = exponentials.reduce((total, value) => total + value, 0);
  return exponentials.map((value) => value / sum);
}
