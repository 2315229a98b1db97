import type { BlipWriterDescription } from "../../checkpoint/description.js";
import { readPreprocessorConfig } from "../../checkpoint/preprocessor-config.js";
import { Operation } from "../../engine/operation.js";
import type { Prompt } from "../../native/types.js";
import type { BlipTokenizer } from "../../text/blip-tokenizer.js";
import { type ImageCallOptions, pixelBatch } from "../images.js";
import type { Runtime } from "../model.js";
import { type GeneratedText, type GenerationPlan, generatedTexts, planGeneration, rowsOf } from "./generation.js";
import { distinctPictures, type Pair, sharedPixels } from "./pairs.js";

/** The answer to a question about a picture. */
export interface Answer extends GeneratedText {
  /** The other texts that `numReturnSequences` asked for, best first (samples in the order in which they were drawn). */
  alternatives: GeneratedText[];
}

/** One question about one picture. */
export interface AnswerRequest {
  pair: Pair;
  plan: GenerationPlan;
  truncate: boolean;
  options: Pick<ImageCallOptions, "allowRemote" | "maxPixels">;
}

/** A prepared picture with a question's tokens. */
export interface AnswerItem {
  pixels: Uint8Array;
  textIds: number[];
  prompt: Prompt;
  plan: GenerationPlan;
}

/** Batches beyond these sizes are no faster (items). */
const LARGEST_USEFUL = { cpu: 8, accelerator: 128 };

/** Tokens of the question that memory is measured with: longer than most. */
const USUAL_QUESTION = 35;

/** Questions about pictures to answers. */
export function answerOperation(
  runtime: Runtime<BlipWriterDescription>,
  tokenizer: BlipTokenizer,
): Operation<AnswerRequest, AnswerItem, Answer> {
  const { native, description, extraFiles, device, options: loadOptions, host, queue, admission } = runtime;
  const plan = readPreprocessorConfig(extraFiles["preprocessor_config.json"]!, "blip", description.imageSize);
  const usual = planGeneration({ numBeams: 1, numReturnSequences: 1, doSample: false }, description, tokenizer);
  // Answers begin with nothing but the start token; BLIP's question comes in by the pictures' way.
  const start = [description.startTokenId];
  const { maxLength } = usual.prompt(start);
  const sample: AnswerItem = {
    pixels: new Uint8Array(plan.height * plan.width * 3),
    textIds: Array(Math.min(USUAL_QUESTION, description.contextLength)).fill(description.endTokenId),
    // The largest caches, filled in one step: what memory it takes is seen without the time of a whole answer.
    prompt: usual.prompt(Array(maxLength - 1).fill(description.startTokenId)),
    plan: usual,
  };
  return new Operation({
    name: "answer",
    device,
    host,
    queue,
    admission,
    largestUseful: device === "cpu" ? LARGEST_USEFUL.cpu : LARGEST_USEFUL.accelerator,
    maxBatchSize: loadOptions.maxBatchSize === "auto" ? undefined : loadOptions.maxBatchSize,
    prepare: async ({ pair, plan: generation, truncate, options }, signal) => {
      // First, because it is cheap to refuse.
      const textIds = tokenizer.encodeText(pair.text, { truncate });
      const prompt = generation.prompt(start);
      const pixels = await sharedPixels(native, pair.image, plan, options, signal);
      return { pixels, textIds, prompt, plan: generation };
    },
    key: (item) => item.plan.key,
    rows: (item) => rowsOf(item.plan),
    forward: async (module, items, run) => {
      const { plan: generation } = items[0]!;
      const { pixels, about } = distinctPictures(items);
      const prompts = items.map((item) => item.prompt);
      const result = await native.answer(module, pixelBatch(pixels, plan), about, prompts, generation.native, run);
      const values = generatedTexts(result, generation, tokenizer).map(
        ([best, ...alternatives]): Answer => ({ ...best!, alternatives }),
      );
      return { values, peakBytes: result.peakBytes };
    },
    // Another picture for each, as far as the batch can see: the most that it can take.
    sample: () => ({ ...sample, pixels: sample.pixels.subarray() }),
  });
}
