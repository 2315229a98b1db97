import { readFile } from "node:fs/promises";
import { packagePath } from "../../common/package-path.js";
import type { ModuleSpec } from "../../native/types.js";
import { invalidModel, quote } from "../invalid.js";
import type { ParameterBuilder } from "./parameters.js";
import type { TowerSizes } from "./tower.js";

/** What a tower adds to a TorchScript module besides its parameters. */
export interface ModulePart {
  /** Methods. */
  source: string;
  ints: Record<string, number>;
  floats: Record<string, number>;
  bools: Record<string, boolean>;
}

/** The encoder of a tower, models/torchscript/encoder.py, with its constants. */
export async function encoderPart(
  tower: "vision" | "text",
  sizes: TowerSizes,
  { causal }: { causal: boolean },
): Promise<ModulePart> {
  const encoder = await torchscriptSource(["encoder"], []);
  return {
    source: [encoder.replaceAll("TOWER", tower), activationMethod(`${tower}_activation`, sizes.activation)].join(
      "\n\n",
    ),
    ints: { [`${tower}_layers`]: sizes.layers, [`${tower}_heads`]: sizes.heads },
    floats: { [`${tower}_epsilon`]: sizes.epsilon },
    bools: { [`${tower}_causal`]: causal },
  };
}

/** Joins the parts into a module, and adds the functions that every encoder calls. */
export async function joinParts(parts: readonly ModulePart[], builder: ParameterBuilder): Promise<ModuleSpec> {
  const merge = <Value>(records: Record<string, Value>[]): Record<string, Value> => Object.assign({}, ...records);
  return {
    source: [await torchscriptSource(["layers"], []), ...parts.map((part) => part.source)].join("\n\n"),
    ints: merge(parts.map((part) => part.ints)),
    floats: merge(parts.map((part) => part.floats)),
    bools: merge(parts.map((part) => part.bools)),
    parameters: builder.parameters,
  };
}

/** Activation functions by their name in transformers, in TorchScript. */
const ACTIVATIONS: Readonly<Record<string, string>> = {
  gelu: "torch.gelu(x)",
  quick_gelu: "x * torch.sigmoid(1.702 * x)",
  gelu_pytorch_tanh: 'torch.gelu(x, approximate="tanh")',
  relu: "torch.relu(x)",
  silu: "torch.silu(x)",
};

/** Other names that transformers has for the same functions. */
const ACTIVATION_ALIASES: Readonly<Record<string, string>> = {
  gelu_python: "gelu",
  gelu_python_tanh: "gelu_pytorch_tanh",
  gelu_new: "gelu_pytorch_tanh",
  gelu_accurate: "gelu_pytorch_tanh",
  gelu_fast: "gelu_pytorch_tanh",
  swish: "silu",
};

/**
 * A one-line TorchScript method that applies an activation function.
 * @throws ClipBlipError ERR_MODEL_INVALID for an unknown function
 */
export function activationMethod(method: string, activation: string): string {
  const name = Object.hasOwn(ACTIVATION_ALIASES, activation) ? ACTIVATION_ALIASES[activation]! : activation;
  if (!Object.hasOwn(ACTIVATIONS, name)) {
    const supported = Object.keys({ ...ACTIVATIONS, ...ACTIVATION_ALIASES }).join(", ");
    throw invalidModel(`config.json: hidden_act ${quote(activation)} is not supported; supported are ${supported}`);
  }
  return `def ${method}(self, x: Tensor) -> Tensor:\n    return ${ACTIVATIONS[name]}\n`;
}

/** TorchScript source from the named files of this package, followed by a recipe's own methods. */
export async function torchscriptSource(files: readonly string[], methods: readonly string[]): Promise<string> {
  const texts = await Promise.all(files.map((file) => readFile(packagePath(`models/torchscript/${file}.py`), "utf8")));
  return [...texts, ...methods].join("\n\n");
}
