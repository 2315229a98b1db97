import { channel } from "node:diagnostics_channel";

/** One batch that ran on the device. */
export interface BatchEvent {
  /** What the model did: "encode_image", "encode_text" or "caption". */
  operation: string;
  /** "cpu", "cuda:0", … */
  device: string;
  items: number;
  /** Items without a result. */
  failed: number;
  /** Seconds that each item waited for the device after it was decoded or tokenized. */
  waits: number[];
  /** Seconds on the device, all tries included. If it was handed over early, counted from the end of the batch before. */
  seconds: number;
  /** Number of forwards that ran out of memory and were split. */
  splits: number;
}

/** The preparation of one picture: decoding and resizing, without waiting for a thread. */
export interface PreparationEvent {
  seconds: number;
  /** Whether the picture could not be read. */
  failed: boolean;
}

/**
 * Published after each batch with a `BatchEvent`, as "clip-blip:batch". Subscribe with `node:diagnostics_channel`; without
 * subscribers nothing is measured.
 */
export const batchChannel = channel("clip-blip:batch");

/** Published after each preparation with a `PreparationEvent`, as "clip-blip:preparation". */
export const preparationChannel = channel("clip-blip:preparation");
