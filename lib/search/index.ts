export {
  type DuplicatesOptions,
  ImageIndex,
  type ImageIndexOptions,
  type NearDuplicates,
  type SearchOptions,
  type SearchResult,
} from "./image-index.js";
export type { IndexableModel } from "./model.js";
export type { FailedPicture, UpdateOptions, UpdateResult } from "./update.js";
