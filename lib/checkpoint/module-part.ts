import type { ModuleSpec } from "../native/types.js";
import { activationMethod } from "./activation.js";
import type { ParameterBuilder } from "./parameters.js";
import { torchscriptSource } from "./torchscript.js";
import type { TowerSizes } from "./tower.js";

/** What a tower adds to a TorchScript module beside its parameters. */
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

/** A module of all the parts, with what every encoder calls. */
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
