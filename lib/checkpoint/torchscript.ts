import { readFile } from "node:fs/promises";
import { packagePath } from "../package-path.js";

/** TorchScript text of an architecture, as the package ships it, followed by the methods that a recipe adds. */
export async function torchscriptSource(architecture: string, methods: string[]): Promise<string> {
  const text = await readFile(packagePath(`models/torchscript/${architecture}.py`), "utf8");
  return [text, ...methods].join("\n\n");
}
