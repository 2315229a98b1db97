import { channel } from "node:diagnostics_channel";

/** The result of one batch: of all items that waited for the device together. */
export interface BatchEvent {
  /** "encode_image", "encode_text", "caption", "answer" or "match". */
  operation: string;
  /** "cpu", "cuda:0", … */
  device: string;
  items: number;
  /** Items without a result. */
  failed: number;
  /** Seconds that each item waited for the device after it was decoded or tokenized. */
  waits: number[];
  /**
   * Seconds on the device, failed tries included. For a batch that was handed over early, counted from the end of the
   * previous one.
   */
  seconds: number;
  /** Number of forward passes that ran out of memory and were repeated in smaller parts. */
  splits: number;
}

/** The time that decoding and resizing one picture took; waiting for a thread is not included. */
export interface PreparationEvent {
  seconds: number;
  /** Whether the picture could not be read. */
  failed: boolean;
}

/**
 * Publishes a `BatchEvent` after each batch, under the name "clip-blip:batch". Subscribe with
 * `node:diagnostics_channel`; without subscribers, nothing is measured.
 */
export const batchChannel = channel("clip-blip:batch");

/** Publishes a `PreparationEvent` after each picture is prepared, under the name "clip-blip:preparation". */
export const preparationChannel = channel("clip-blip:preparation");
