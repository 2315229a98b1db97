import { invalidArgument } from "../../common/validate.js";
import { zeroMatrix } from "./similarity.js";

/**
 * Checks the option `template` of `classify`: one sentence or several.
 * @throws ClipBlipError ERR_INVALID_ARGUMENT unless each is a string that contains "{}"
 */
export function readTemplates(template: string | string[]): string[] {
  const templates: unknown[] = Array.isArray(template) ? template : [template];
  const valid = templates.every((one) => typeof one === "string" && one.includes("{}"));
  if (templates.length > 0 && valid) return templates as string[];
  throw invalidArgument(
    "options.template",
    'a string with "{}" in place of the label, or a non-empty list of such strings',
    template,
  );
}

/** Every label in every template; the sentences of a label are adjacent. */
export function fillTemplates(labels: readonly string[], templates: readonly string[]): string[] {
  return labels.flatMap((label) => templates.map((template) => template.replaceAll("{}", () => label)));
}

/**
 * One vector for each label: the mean of its sentences' vectors, scaled to length 1, as in OpenAI's zero-shot recipe
 * (section 3.1.4 of Radford et al., 2021: an ensemble over the embedding space).
 * @param sentences vectors of length 1, `count` for each label
 */
export function averageSentences(sentences: readonly Float32Array[], count: number): readonly Float32Array[] {
  if (count === 1) return sentences;
  const means = zeroMatrix(sentences.length / count, sentences[0]!.length);
  for (const [label, mean] of means.entries()) {
    for (const sentence of sentences.slice(label * count, (label + 1) * count)) {
      for (let index = 0; index < mean.length; index++) mean[index]! += sentence[index]!;
    }
    const length = Math.hypot(...mean);
    for (let index = 0; index < mean.length; index++) mean[index]! /= length;
  }
  return means;
}
