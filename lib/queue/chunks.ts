import { isData, type Picture, type Task } from "./request.js";

/** The part of a job that one worker takes at a time: what a job of BullMQ holds. */
export interface Chunk {
  /** Id of the whole job. */
  job: string;
  task: Task;
  pictures: Picture[];
  /** A worker was lost at one of these pictures: take them one by one. */
  careful?: boolean;
}

/** Few enough that several workers share a small job, and that little is done again when one of them is lost. */
export const PICTURES_OF_A_CHUNK = 16;

/** Characters of `data:` URIs: Redis answers nobody else while it moves a value. */
const DATA_LENGTH = 4 * 1024 * 1024;

/** Cuts a job into pieces of bounded size; a picture that is larger by itself has its own. */
export function splitIntoChunks(job: string, task: Task, pictures: Picture[]): Chunk[] {
  const chunks: Chunk[] = [];
  let dataLength = 0;
  for (const picture of pictures) {
    const length = isData(picture.uri) ? picture.uri.length : 0;
    let chunk = chunks.at(-1);
    if (!chunk || chunk.pictures.length >= PICTURES_OF_A_CHUNK || dataLength + length > DATA_LENGTH) {
      chunk = { job, task, pictures: [] };
      chunks.push(chunk);
      dataLength = 0;
    }
    chunk.pictures.push(picture);
    dataLength += length;
  }
  return chunks;
}
