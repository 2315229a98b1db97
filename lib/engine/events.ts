import { channel } from "node:diagnostics_channel";

/** What became of one batch: of every item that waited for the device together. */
export interface BatchEvent {
  /** What the model did: "encode_image", "encode_text" or "caption". */
  operation: string;
  /** "cpu", "cuda:0", … */
  device: string;
  items: number;
  /** Items without a result. */
  failed: number;
  /** Seconds that each item waited for the device, once it was decoded or tokenized. */
  waits: number[];
  /** Seconds on the device, every try included; from the end of the batch before, where it was handed over ahead of that. */
  seconds: number;
  /** Forwards that ran out of memory, each of which was followed by smaller ones. */
  splits: number;
}

/** What the preparation of one picture took, decoding and resizing together; waiting for a thread is left out. */
export interface PreparationEvent {
  seconds: number;
  /** Whether the picture could not be read. */
  failed: boolean;
}

/**
 * Published after each batch with a `BatchEvent`, under the name "clip-blip:batch". Who measures the process subscribes
 * with `node:diagnostics_channel`; without subscribers nothing is measured.
 */
export const batchChannel = channel("clip-blip:batch");

/** Published after each preparation with a `PreparationEvent`, under the name "clip-blip:preparation". */
export const preparationChannel = channel("clip-blip:preparation");
