import type { ModelDtype, ParameterSpec } from "../../native/types.js";
import { FLOAT_DTYPES, sliceRows } from "../weights/tensors.js";
import type { WeightTable } from "../weights/weights.js";

/** Names of the modules of layer `layer` whose weights are concatenated along the rows. */
export type PiecesOfLayer = (layer: number) => string[];

/**
 * Collects the parameters of a TorchScript module from the tensors of a checkpoint. "Stacked" parameters contain all
 * layers of a tower along a new first dimension.
 *
 * Every method throws ERR_MODEL_INVALID if a tensor is missing or has another shape.
 */
export class ParameterBuilder {
  readonly parameters: ParameterSpec[] = [];
  readonly #weights: WeightTable;

  constructor(weights: WeightTable) {
    this.#weights = weights;
  }

  /** Dtype that the first parameter is stored in. */
  dtype(): ModelDtype | "float64" {
    return FLOAT_DTYPES[this.parameters[0]!.layers[0]![0]!.dtype]!;
  }

  /** Adds one tensor unchanged. */
  tensor(name: string, source: string, shape: number[]): void {
    this.parameters.push({ name, layers: [[this.#weights.require(source, shape)]], stacked: false });
  }

  /** `<name>_weight` and `<name>_bias` of a layer norm: [width] each. */
  norm(name: string, module: string, width: number): void {
    for (const part of ["weight", "bias"]) this.tensor(`${name}_${part}`, `${module}.${part}`, [width]);
  }

  /** `<name>_weight` [outputs, inputs] and `<name>_bias` [outputs] of a linear layer. */
  linear(name: string, module: string, outputs: number, inputs: number): void {
    this.tensor(`${name}_weight`, `${module}.weight`, [outputs, inputs]);
    this.tensor(`${name}_bias`, `${module}.bias`, [outputs]);
  }

  /** Rows `from` (inclusive) to `to` (exclusive) of a tensor of this shape. */
  rows(name: string, source: string, shape: readonly number[], from: number, to: number): void {
    const rows = sliceRows(this.#weights.require(source, shape), from, to);
    this.parameters.push({ name, layers: [[rows]], stacked: false });
  }

  /** `<name>_weight` and `<name>_bias` of the layer norms of a tower: [layers, width] each. */
  stackedNorm(name: string, layers: number, module: (layer: number) => string, width: number): void {
    for (const part of ["weight", "bias"]) this.#stack(`${name}_${part}`, layers, (i) => [module(i)], part, [width]);
  }

  /**
   * `<name>_weight` [layers, pieces * outputs, inputs] and `<name>_bias` [layers, pieces * outputs] of the linear
   * layers of a tower; each piece has `outputs` rows.
   */
  stackedLinear(name: string, layers: number, pieces: PiecesOfLayer, outputs: number, inputs: number): void {
    this.#stack(`${name}_weight`, layers, pieces, "weight", [outputs, inputs]);
    this.#stack(`${name}_bias`, layers, pieces, "bias", [outputs]);
  }

  #stack(name: string, count: number, pieces: PiecesOfLayer, part: string, shape: number[]): void {
    const layers: ParameterSpec["layers"] = [];
    for (let layer = 0; layer < count; layer++) {
      layers.push(pieces(layer).map((module) => this.#weights.require(`${module}.${part}`, shape)));
    }
    this.parameters.push({ name, layers, stacked: true });
  }
}
