import type { BlipDescription } from "./checkpoint/description.js";
import { Operation } from "./engine/operation.js";
import { ClipBlipError } from "./errors.js";
import { type ImageCallOptions, pixelBatch, preparePixels } from "./images.js";
import { readPreprocessorConfig } from "./input/preprocessor-config.js";
import type { ImageInput } from "./input/types.js";
import type { Runtime } from "./model.js";
import { createBlipTokenizer } from "./text/blip-tokenizer.js";

/** One sentence about a picture. */
export interface Caption {
  /** The sentence, prompt included, without special tokens. */
  text: string;
  /** What `generate` of transformers gives: start token, prompt, caption, end token where it was reached. */
  tokenIds: number[];
  /**
   * Mean log-probability of the generated tokens, end token included: what beam search with one beam and a length
   * penalty of 1 would score.
   */
  score: number;
  /** Further captions, best first; none in greedy search. */
  alternatives: Omit<Caption, "alternatives">[];
}

/** One picture with what its caption depends on. */
export interface CaptionRequest {
  image: ImageInput;
  prompt: string | undefined;
  options: Pick<ImageCallOptions, "allowRemote" | "maxPixels"> & { maxLength?: number; minLength?: number };
}

/** A prepared picture with its prompt's token ids. */
export interface CaptionItem {
  pixels: Uint8Array;
  promptIds: number[];
  maxLength: number;
  minLength: number;
}

/** Batches beyond these sizes are no faster (items). */
const LARGEST_USEFUL = { cpu: 8, accelerator: 128 };

/** Pictures to captions. */
export function captionOperation(runtime: Runtime<BlipDescription>): Operation<CaptionRequest, CaptionItem, Caption> {
  const { native, description, extraFiles, device, options: loadOptions, host, queue, admission } = runtime;
  const { startTokenId, endTokenId, padTokenId } = description;
  const { generation } = description;
  const plan = readPreprocessorConfig(extraFiles["preprocessor_config.json"]!, "blip", description.imageSize);
  const tokenizer = createBlipTokenizer(extraFiles["tokenizer.json"]!, extraFiles["tokenizer_config.json"] ?? "{}", {
    startTokenId,
    maxTokens: description.contextLength,
  });
  return new Operation({
    name: "caption",
    device,
    host,
    queue,
    admission,
    largestUseful: device === "cpu" ? LARGEST_USEFUL.cpu : LARGEST_USEFUL.accelerator,
    maxBatchSize: loadOptions.maxBatchSize === "auto" ? undefined : loadOptions.maxBatchSize,
    prepare: async ({ image, prompt, options }, signal) => {
      const maxLength = options.maxLength ?? generation.maxLength;
      const promptIds = tokenizer.encodePrompt(prompt ?? "");
      if (promptIds.length >= maxLength) throw promptTooLong(promptIds.length, maxLength);
      const pixels = await preparePixels(native, image, plan, options, signal);
      return { pixels, promptIds, maxLength, minLength: options.minLength ?? generation.minLength };
    },
    key: ({ maxLength, minLength }) => `${maxLength} ${minLength}`,
    forward: async (module, items, run) => {
      const { maxLength, minLength } = items[0]!;
      const batch = pixelBatch(
        items.map((item) => item.pixels),
        plan,
      );
      const prompts = items.map((item) => Int32Array.from(item.promptIds));
      const search = { maxLength, minLength, endTokenId, padTokenId };
      const result = await native.caption(module, batch, prompts, search, run);
      const values = items.map((item, index): Caption => {
        const tokenIds = Array.from(result.sequences[index]!);
        const generated = tokenIds.length - item.promptIds.length;
        return {
          text: tokenizer.decode(tokenIds),
          tokenIds,
          score: result.logProbabilities[index]! / generated,
          alternatives: [],
        };
      });
      return { values, peakBytes: result.peakBytes };
    },
    sample: () => ({
      pixels: new Uint8Array(plan.height * plan.width * 3),
      // The largest caches, filled in one step: what memory it takes is seen without the time of a whole caption.
      promptIds: Array(generation.maxLength - 1).fill(startTokenId),
      maxLength: generation.maxLength,
      minLength: generation.minLength,
    }),
  });
}

function promptTooLong(tokens: number, maxLength: number): ClipBlipError {
  return new ClipBlipError(
    "ERR_TEXT_TOO_LONG",
    `The prompt has ${tokens} tokens with the start token, and maxLength is ${maxLength}: shorten it, or raise maxLength`,
  );
}
