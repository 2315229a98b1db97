import type { ModelDescription } from "./description.js";

/** Names of the text files that an archive may carry beside the weights. */
export const EXTRA_FILES = [
  "clip-blip.json",
  "preprocessor_config.json",
  "tokenizer.json",
  "tokenizer_config.json",
  "generation_config.json",
] as const;

/** The text files of a model, by name. */
export type ExtraFiles = Partial<Record<(typeof EXTRA_FILES)[number], string>>;

/** Text of clip-blip.json. */
export function descriptionText(description: ModelDescription): string {
  return `${JSON.stringify(description, null, 2)}\n`;
}
