# What the towers of CLIP and SigLIP have in common.
#
# The files of this folder are TorchScript for torch::jit::Module::define, not Python modules: `self` holds the parameters
# and constants that the recipes in lib/checkpoint register, and `torch.*` are the aten operators and nothing else.
#
# B pictures or texts, N tokens, W the width of a tower.


# Self-attention between queries, keys and values that lie side by side: [B, N, 3 * W] -> [B, N, W]
def attend(self, qkv: Tensor, heads: int, causal: bool) -> Tensor:
    batch, tokens, width = qkv.size(0), qkv.size(1), qkv.size(2) // 3
    qkv = qkv.view(batch, tokens, 3, heads, width // heads).permute(2, 0, 3, 1, 4)  # [3, B, heads, N, W / heads]
    attended = torch.scaled_dot_product_attention(qkv[0], qkv[1], qkv[2], None, 0.0, causal)
    return attended.transpose(1, 2).reshape(batch, tokens, width)


def norm(self, x: Tensor, weight: Tensor, bias: Tensor, epsilon: float) -> Tensor:
    return torch.layer_norm(x, weight.size(), weight, bias, epsilon)
