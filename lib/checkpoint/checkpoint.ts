import type { ModuleSpec } from "../native/types.js";
import type { ModelDescription } from "./description.js";
import type { RecipeOutput } from "./recipes/recipe.js";

/** A checkpoint that was read and understood; the weights themselves are still in their files. */
export interface Checkpoint {
  description: ModelDescription;
  /** What the addon builds the TorchScript module from. */
  spec: ModuleSpec;
  /** The text files that go into an archive, by name. */
  extraFiles: ExtraFiles;
  /** Sentences about what may be wrong with the checkpoint, each with what to do. */
  warnings: string[];
}

/** What a recipe made, with the texts that go into an archive; those that are undefined are left out. */
export function toCheckpoint(
  output: RecipeOutput,
  texts: { [Name in keyof ExtraFiles]: string | undefined },
): Checkpoint {
  const extraFiles: ExtraFiles = { "clip-blip.json": descriptionText(output.description) };
  for (const [name, text] of Object.entries(texts)) {
    if (text !== undefined) extraFiles[name as keyof ExtraFiles] = text;
  }
  return { ...output, extraFiles };
}

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
