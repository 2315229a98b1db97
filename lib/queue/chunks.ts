import { isDataUrl } from "../input/picture-text.js";
import type { Picture, Task } from "./request.js";

/** The part of a job that one worker takes at a time: the data of one BullMQ job. */
export interface Chunk {
  /** Id of the whole job. */
  job: string;
  task: Task;
  pictures: Picture[];
  /** Process the pictures one by one, because a worker was lost with one of them. */
  careful?: boolean;
}

/** Few enough for several workers to share a small job, and for little to be done again if one of them is lost. */
export const PICTURES_OF_A_CHUNK = 16;

/** Maximum characters of `data:` URIs in a chunk, because Redis is blocked while it reads or writes a value. */
const MAX_DATA_LENGTH = 4 * 1024 * 1024;

/** Cuts a job into chunks of limited size. A picture that exceeds the limit has a chunk of its own. */
export function splitIntoChunks(job: string, task: Task, pictures: Picture[]): Chunk[] {
  const chunks: Chunk[] = [];
  let dataLength = 0;
  for (const picture of pictures) {
    const length = isDataUrl(picture.uri) ? picture.uri.length : 0;
    let chunk = chunks.at(-1);
    if (!chunk || chunk.pictures.length >= PICTURES_OF_A_CHUNK || dataLength + length > MAX_DATA_LENGTH) {
      chunk = { job, task, pictures: [] };
      chunks.push(chunk);
      dataLength = 0;
    }
    chunk.pictures.push(picture);
    dataLength += length;
  }
  return chunks;
}
