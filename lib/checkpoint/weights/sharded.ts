import { readFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { TensorSlice } from "../../native/types.js";
import { fileSize } from "../files.js";
import { invalidModel, quote } from "../invalid.js";
import { JsonObject } from "../json.js";

/** Reads where the tensors of one weight file are. */
export type WeightReader = (path: string) => Promise<Map<string, TensorSlice>>;

/**
 * Reads a checkpoint in several files, as `model.safetensors.index.json` or `pytorch_model.bin.index.json` lists them:
 * every tensor that the index names, from the file that it names.
 * @throws ClipBlipError ERR_MODEL_INVALID when a file or a tensor is missing, or a file would be outside the directory
 */
export async function readSharded(indexPath: string, read: WeightReader): Promise<Map<string, TensorSlice>> {
  const shards = new Map<string, Map<string, TensorSlice>>();
  const tensors = new Map<string, TensorSlice>();
  for (const [name, file] of await readWeightMap(indexPath)) {
    let shard = shards.get(file);
    if (shard === undefined) {
      const path = join(dirname(indexPath), file);
      if ((await fileSize(path)) === undefined) {
        throw invalidModel(`${indexPath} names the file ${quote(file)}, which is not there: download it again`);
      }
      shard = await read(path);
      shards.set(file, shard);
    }
    const slice = shard.get(name);
    if (slice === undefined)
      throw invalidModel(`Tensor ${quote(name)} is not in ${file}, where ${indexPath} says it is`);
    tensors.set(name, slice);
  }
  return tensors;
}

/** The names of the files that an index lists, each once. */
export async function shardNames(indexPath: string): Promise<string[]> {
  return [...new Set((await readWeightMap(indexPath)).values())];
}

async function readWeightMap(indexPath: string): Promise<Map<string, string>> {
  const json = JsonObject.parse(await readFile(indexPath, "utf8"), indexPath);
  const map = json.object("weight_map");
  if (map === undefined) throw json.wrong("weight_map", "an object", undefined);
  const files = new Map<string, string>();
  for (const [name] of map.entries()) files.set(name, plainFileName(map.text(name), indexPath));
  if (files.size === 0) throw invalidModel(`${indexPath} lists no tensors`);
  return files;
}

/** An index may not lead out of its directory, on any system's rules for paths. */
function plainFileName(name: string, indexPath: string): string {
  if (!/^[\w-][\w.+-]{0,254}$/.test(name) || name !== basename(name)) {
    throw invalidModel(`${indexPath} names ${quote(name)}, which is not a plain file name`);
  }
  return name;
}
