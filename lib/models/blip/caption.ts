import type { BlipWriterDescription } from "../../checkpoint/description.js";
import { readPreprocessorConfig } from "../../checkpoint/preprocessor-config.js";
import { Operation } from "../../engine/operation.js";
import { PixelPool } from "../../input/pixel-pool.js";
import type { ImageInput } from "../../input/types.js";
import type { Prompt } from "../../native/types.js";
import type { BlipTokenizer } from "../../text/blip-tokenizer.js";
import { type ImageCallOptions, pixelBatch, preparePixels, readyPixels } from "../images.js";
import type { Runtime } from "../model.js";
import { type GeneratedText, type GenerationPlan, generatedTexts, planGeneration, rowsOf } from "./generation.js";

/** One sentence about a picture. */
export interface Caption extends GeneratedText {
  /** The other texts that `numReturnSequences` asked for, best first (samples in the order in which they were drawn). */
  alternatives: GeneratedText[];
}

/** One picture with what its caption depends on. */
export interface CaptionRequest {
  image: ImageInput;
  prompt: string | undefined;
  plan: GenerationPlan;
  options: Pick<ImageCallOptions, "allowRemote" | "maxPixels">;
}

/** A prepared picture with its prompt. */
export interface CaptionItem {
  pixels: Uint8Array;
  prompt: Prompt;
  plan: GenerationPlan;
}

/** Batches beyond these sizes are no faster (rows: each beam is one). */
const LARGEST_USEFUL = { cpu: 8, accelerator: 128 };

/** Pictures to captions. */
export function captionOperation(
  runtime: Runtime<BlipWriterDescription>,
  tokenizer: BlipTokenizer,
): Operation<CaptionRequest, CaptionItem, Caption> {
  const { native, description, extraFiles, device, options: loadOptions, host, queue, admission } = runtime;
  const plan = readPreprocessorConfig(extraFiles["preprocessor_config.json"]!, "blip", description.imageSize);
  const usual = planGeneration({ numBeams: 1, numReturnSequences: 1, doSample: false }, description, tokenizer);
  const { maxLength } = usual.prompt([description.startTokenId]);
  const sample: CaptionItem = {
    pixels: new Uint8Array(plan.height * plan.width * 3),
    // The largest caches, filled in one step: what memory it takes is seen without the time of a whole caption.
    prompt: usual.prompt(Array(maxLength - 1).fill(description.startTokenId)),
    plan: usual,
  };
  const pool = new PixelPool();
  return new Operation({
    name: "caption",
    device,
    host,
    queue,
    admission,
    largestUseful: device === "cpu" ? LARGEST_USEFUL.cpu : LARGEST_USEFUL.accelerator,
    maxBatchSize: loadOptions.maxBatchSize === "auto" ? undefined : loadOptions.maxBatchSize,
    prepare: ({ image, prompt, plan: generation, options }, signal) => {
      // First, because it is cheap to refuse.
      const begun = generation.prompt(tokenizer.encodePrompt(prompt ?? ""));
      const item = (pixels: Uint8Array): CaptionItem => ({ pixels, prompt: begun, plan: generation });
      const ready = readyPixels(image, plan, options, pool);
      return ready ? item(ready) : preparePixels(native, image, plan, options, signal).then(item);
    },
    key: (item) => item.plan.key,
    rows: (item) => rowsOf(item.plan),
    forward: async (module, items, run) => {
      const { plan: generation } = items[0]!;
      const pixels = items.map((item) => item.pixels);
      const prompts = items.map((item) => item.prompt);
      const result = await native.caption(module, pixelBatch(pixels, plan), prompts, generation.native, run);
      // Not after a failure: what ran out of memory is run again.
      pool.giveBack(pixels);
      const values = generatedTexts(result, generation, tokenizer).map(
        ([best, ...alternatives]): Caption => ({ ...best!, alternatives }),
      );
      return { values, peakBytes: result.peakBytes };
    },
    sample: () => sample,
  });
}
