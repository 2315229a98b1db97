import type { BlipMatcherDescription } from "../../checkpoint/description.js";
import { readPreprocessorConfig } from "../../checkpoint/preprocessor-config.js";
import { Operation } from "../../engine/operation.js";
import type { BlipTokenizer } from "../../text/blip-tokenizer.js";
import { type ImageCallOptions, pixelBatch } from "../images.js";
import type { Runtime } from "../model.js";
import { distinctPictures, type Pair, sharedPixels } from "./pairs.js";

/** How well a text describes a picture. */
export interface Match {
  /** Probability that it does, by the matching head, which reads the text beside the picture (ITM): 0 to 1. */
  probability: number;
  /** Cosine of the two in the common space, where each stands by itself (ITC): -1 to 1. */
  similarity: number;
}

/** One text about one picture. */
export interface MatchRequest {
  pair: Pair;
  truncate: boolean;
  options: Pick<ImageCallOptions, "allowRemote" | "maxPixels">;
}

/** A prepared picture with a text's tokens. */
export interface MatchItem {
  pixels: Uint8Array;
  textIds: number[];
}

/** Batches beyond these sizes are no faster (items). */
const LARGEST_USEFUL = { cpu: 8, accelerator: 128 };

/** Tokens of the text that memory is measured with: the most that BLIP was trained with. */
const USUAL_TEXT = 35;

/** Pairs of pictures and texts to how well they match. */
export function matchOperation(
  runtime: Runtime<BlipMatcherDescription>,
  tokenizer: BlipTokenizer,
): Operation<MatchRequest, MatchItem, Match> {
  const { native, description, extraFiles, device, options: loadOptions, host, queue, admission } = runtime;
  const plan = readPreprocessorConfig(extraFiles["preprocessor_config.json"]!, "blip", description.imageSize);
  const sample: MatchItem = {
    pixels: new Uint8Array(plan.height * plan.width * 3),
    textIds: Array(Math.min(USUAL_TEXT, description.contextLength)).fill(description.endTokenId),
  };
  return new Operation({
    name: "match",
    device,
    host,
    queue,
    admission,
    largestUseful: device === "cpu" ? LARGEST_USEFUL.cpu : LARGEST_USEFUL.accelerator,
    maxBatchSize: loadOptions.maxBatchSize === "auto" ? undefined : loadOptions.maxBatchSize,
    prepare: async ({ pair, truncate, options }, signal) => {
      // First, because it is cheap to refuse.
      const textIds = tokenizer.encodeText(pair.text, { truncate });
      return { pixels: await sharedPixels(native, pair.image, plan, options, signal), textIds };
    },
    key: () => "",
    forward: async (module, items, run) => {
      const { pixels, about } = distinctPictures(items);
      const { probabilities, similarities, peakBytes } = await native.match(
        module,
        pixelBatch(pixels, plan),
        about,
        run,
      );
      const values = items.map(
        (_, index): Match => ({ probability: probabilities[index]!, similarity: similarities[index]! }),
      );
      return { values, peakBytes };
    },
    // Another picture for each, as far as the batch can see: the most that it can take.
    sample: () => ({ ...sample, pixels: sample.pixels.subarray() }),
  });
}
