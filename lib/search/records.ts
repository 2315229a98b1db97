/** A file as it was when it was read. `path` is relative to the folder of the index, with "/" between its parts. */
export interface FileState {
  path: string;
  /** Bytes. */
  size: number;
  /** Time of the last change, in milliseconds since 1970. */
  modified: number;
}

/** A file that the index holds a vector of. */
export interface IndexedFile extends FileState {
  /** SHA-256 of the content, in hexadecimal. */
  hash: string;
}

/** A file that cannot be read as a picture; it is not tried again until it changes. */
export interface UnreadableFile extends FileState {
  code: string;
  message: string;
}

/** A file near a vector. */
export interface Neighbour {
  path: string;
  /** Cosine similarity, from -1 to 1. */
  score: number;
}
