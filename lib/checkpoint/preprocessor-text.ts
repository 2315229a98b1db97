import { join } from "node:path";
import { readTextIfPresent } from "./files.js";
import { invalidModel } from "./invalid.js";
import { JsonObject } from "./json.js";

/**
 * Text of preprocessor_config.json. Processors saved by transformers 5 keep the same values as `image_processor` in
 * processor_config.json instead.
 * @throws ClipBlipError ERR_MODEL_INVALID when neither file is there
 */
export async function readPreprocessorText(directory: string): Promise<string> {
  const text = await readTextIfPresent(join(directory, "preprocessor_config.json"));
  if (text !== undefined) return text;
  const processor = await readTextIfPresent(join(directory, "processor_config.json"));
  if (processor !== undefined) {
    const image = JsonObject.parse(processor, "processor_config.json").object("image_processor");
    if (image !== undefined) return `${JSON.stringify(Object.fromEntries(image.entries()), null, 2)}\n`;
  }
  throw invalidModel(`${directory} has no preprocessor_config.json, which says how pictures are prepared`);
}
