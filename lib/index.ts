export {
  type AnswerOptions,
  BlipModel,
  type CaptionedImage,
  type CaptionOptions,
  type CaptionStreamOptions,
  type MatchOptions,
} from "./blip.js";
export type { Answer } from "./blip-answer.js";
export type { Caption } from "./blip-caption.js";
export type { Match } from "./blip-match.js";
export type { BlipTask } from "./checkpoint/description.js";
export {
  type ClassifyOptions,
  ClipModel,
  type EmbeddedImage,
  type Embedding,
  type EncodeImagesOptions,
  type EncodeTextsOptions,
  type LabelScore,
  type SimilarityOptions,
} from "./clip.js";
export { type Device, devices, type MemoryInfo } from "./devices.js";
export type { Progress } from "./engine/pipeline.js";
export { ClipBlipError, type ClipBlipErrorOptions, type ErrorCode } from "./errors.js";
export { type ExportOptions, exportCheckpoint } from "./export.js";
export type { GeneratedText } from "./generation.js";
export type { GenerationOptions } from "./generation-options.js";
export type { ImageInput, RawPixels } from "./input/types.js";
export type { Capabilities } from "./model.js";
export type { ClipLoadOptions, LoadOptions, LoadProgress } from "./options.js";
export { cosineSimilarity, similarityMatrix } from "./similarity.js";
