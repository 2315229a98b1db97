export type { BlipTask } from "./checkpoint/description.js";
export { ClipBlipError, type ClipBlipErrorOptions, type ErrorCode } from "./common/errors.js";
export type { Progress } from "./engine/pipeline.js";
export type { ImageInput, RawPixels } from "./input/types.js";
export type { Answer } from "./models/blip/answer.js";
export type { Caption } from "./models/blip/caption.js";
export type { GeneratedText } from "./models/blip/generation.js";
export type { GenerationOptions } from "./models/blip/generation-options.js";
export type { Match } from "./models/blip/match.js";
export {
  type AnswerOptions,
  BlipModel,
  type CaptionedImage,
  type CaptionOptions,
  type CaptionStreamOptions,
  type MatchOptions,
} from "./models/blip/model.js";
export {
  type ClassifyOptions,
  ClipModel,
  type EmbeddedImage,
  type Embedding,
  type EncodeImagesOptions,
  type EncodeTextsOptions,
  type LabelScore,
  type SimilarityOptions,
} from "./models/clip/model.js";
export {
  cosineSimilarity,
  type NearestOptions,
  type Neighbor,
  nearest,
  similarityMatrix,
} from "./models/clip/similarity.js";
export { type Device, devices, type MemoryInfo } from "./models/devices.js";
export { type ExportOptions, exportCheckpoint } from "./models/export.js";
export type { ClipLoadOptions, LoadOptions, LoadProgress } from "./models/load-options.js";
export type { Capabilities } from "./models/model.js";
