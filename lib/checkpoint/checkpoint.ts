import type { ModuleSpec } from "../native/types.js";
import type { ModelDescription } from "./description.js";
import type { RecipeOutput } from "./recipes/recipe.js";

/** A parsed checkpoint; the weights are still in their files. */
export interface Checkpoint {
  description: ModelDescription;
  /** What the addon builds the TorchScript module from. */
  spec: ModuleSpec;
  /** The text files that go into an archive, by name. */
  extraFiles: ExtraFiles;
  /** Sentences about possible problems of the checkpoint; each says what to do. */
  warnings: string[];
}

/** Combines a recipe's output with the text files for an archive; undefined ones are omitted. */
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

/** Names of the text files that an archive may contain besides the weights. */
export const EXTRA_FILES = [
  "clip-blip.json",
  "preprocessor_config.json",
  "tokenizer.json",
  "tokenizer_config.json",
  "generation_config.json",
] as const;

/** The text files of a model, by name. */
export type ExtraFiles = Partial<Record<(typeof EXTRA_FILES)[number], string>>;

/** Contents of clip-blip.json. */
export function descriptionText(description: ModelDescription): string {
  return `${JSON.stringify(description, null, 2)}\n`;
}
