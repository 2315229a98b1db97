import { readFile } from "node:fs/promises";
import { packagePath } from "../package-path.js";

/** TorchScript text that the package ships, by the names of its files, followed by the methods that a recipe adds. */
export async function torchscriptSource(files: readonly string[], methods: readonly string[]): Promise<string> {
  const texts = await Promise.all(files.map((file) => readFile(packagePath(`models/torchscript/${file}.py`), "utf8")));
  return [...texts, ...methods].join("\n\n");
}
