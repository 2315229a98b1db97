import { invalidModel, quote } from "./invalid.js";

/** Activation functions by their name in transformers, in TorchScript. */
const ACTIVATIONS: Readonly<Record<string, string>> = {
  gelu: "torch.gelu(x)",
  quick_gelu: "x * torch.sigmoid(1.702 * x)",
  gelu_pytorch_tanh: 'torch.gelu(x, approximate="tanh")',
  gelu_new: "0.5 * x * (1.0 + torch.tanh(0.7978845608028654 * (x + 0.044715 * torch.pow(x, 3.0))))",
  relu: "torch.relu(x)",
  silu: "torch.silu(x)",
};

/**
 * A TorchScript method of one line that applies an activation function.
 * @throws ClipBlipError ERR_MODEL_INVALID for a function that is not known here
 */
export function activationMethod(method: string, activation: string): string {
  if (!Object.hasOwn(ACTIVATIONS, activation)) {
    throw invalidModel(
      `config.json: hidden_act ${quote(activation)} is not supported; known are ${Object.keys(ACTIVATIONS).join(", ")}`,
    );
  }
  return `def ${method}(self, x: Tensor) -> Tensor:\n    return ${ACTIVATIONS[activation]}\n`;
}
