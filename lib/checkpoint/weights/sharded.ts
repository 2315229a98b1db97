import { readFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { TensorSlice } from "../../native/types.js";
import { fileSize } from "../files.js";
import { invalidModel, quote } from "../invalid.js";
import { JsonObject } from "../json.js";

/** Reads where the tensors of a weights file are. */
export type WeightReader = (path: string) => Promise<Map<string, TensorSlice>>;

/**
 * Reads a checkpoint split into several files, which `model.safetensors.index.json` or `pytorch_model.bin.index.json`
 * lists: every tensor in the index, from the file named there.
 * @throws ClipBlipError ERR_MODEL_INVALID if a file or tensor is missing, or if a file is outside the directory
 */
export async function readSharded(indexPath: string, read: WeightReader): Promise<Map<string, TensorSlice>> {
  const shards = new Map<string, Map<string, TensorSlice>>();
  const tensors = new Map<string, TensorSlice>();
  for (const [name, file] of await readWeightMap(indexPath)) {
    let shard = shards.get(file);
    if (shard === undefined) {
      const path = join(dirname(indexPath), file);
      if ((await fileSize(path)) === undefined) {
        throw invalidModel(`${indexPath} names the file ${quote(file)}, which does not exist: download it`);
      }
      shard = await read(path);
      shards.set(file, shard);
    }
    const slice = shard.get(name);
    if (slice === undefined)
      throw invalidModel(`Tensor ${quote(name)} is missing in ${file}, although ${indexPath} lists it there`);
    tensors.set(name, slice);
  }
  return tensors;
}

/** The distinct names of the files in an index. */
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

/** Checks that a name cannot leave the directory, by the path rules of any operating system. */
function plainFileName(name: string, indexPath: string): string {
  if (!/^[\w-][\w.+-]{0,254}$/.test(name) || name !== basename(name)) {
    throw invalidModel(`${indexPath} names ${quote(name)}, which is not a plain file name`);
  }
  return name;
}
