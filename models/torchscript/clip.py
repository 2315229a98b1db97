# CLIP: an image tower and a text tower that end in the same space.
#
# This is TorchScript for torch::jit::Module::define, not a Python module: `self` holds the parameters and constants that
# lib/checkpoint/clip-recipe.ts registers, and `torch.*` are the aten operators and nothing else. The recipe adds
# `vision_activation` and `text_activation`, one line each, for the checkpoint's kind of GELU.
#
# B pictures or texts, S pixels a side, N tokens, W the width of a tower, D the dimension of the common space.
# A parameter with the letters [L, ...] stacks all the layers of its tower; layer i reads row i.
# The dtype and the device are the parameters' own: nothing here names either.


# [B, 3, S, S], already normalised -> [B, D], length not normalised
def encode_image(self, pixel_values: Tensor) -> Tensor:
    # Every patch becomes one vector: [B, W, grid, grid] -> [B, grid * grid, W]
    pixels = pixel_values.to(self.vision_patch_weight.dtype)
    patches = torch.conv2d(pixels, self.vision_patch_weight, None, [self.patch_size, self.patch_size])
    patches = patches.flatten(2).transpose(1, 2)

    # A learned token goes first and collects what the picture means: [B, N, W], N = 1 + grid * grid
    summary = self.vision_class_embedding.expand(patches.size(0), 1, -1)
    x = torch.cat([summary, patches], 1) + self.vision_positions
    x = self.norm(x, self.vision_input_norm_weight, self.vision_input_norm_bias, self.vision_epsilon)

    for i in range(self.vision_layers):
        h = self.norm(x, self.vision_norm1_weight[i], self.vision_norm1_bias[i], self.vision_epsilon)
        h = torch.linear(h, self.vision_qkv_weight[i], self.vision_qkv_bias[i])
        h = self.attend(h, self.vision_heads, False)
        x = x + torch.linear(h, self.vision_out_weight[i], self.vision_out_bias[i])

        h = self.norm(x, self.vision_norm2_weight[i], self.vision_norm2_bias[i], self.vision_epsilon)
        h = self.vision_activation(torch.linear(h, self.vision_up_weight[i], self.vision_up_bias[i]))
        x = x + torch.linear(h, self.vision_down_weight[i], self.vision_down_bias[i])

    pooled = self.norm(x[:, 0], self.vision_output_norm_weight, self.vision_output_norm_bias, self.vision_epsilon)
    return torch.linear(pooled, self.vision_projection)


# [B, N] token ids, padded after the end token; N may be shorter than the context -> [B, D], length not normalised
def encode_text(self, input_ids: Tensor) -> Tensor:
    x = torch.embedding(self.text_embedding, input_ids) + self.text_positions[: input_ids.size(1)]  # [B, N, W]

    for i in range(self.text_layers):
        h = self.norm(x, self.text_norm1_weight[i], self.text_norm1_bias[i], self.text_epsilon)
        h = torch.linear(h, self.text_qkv_weight[i], self.text_qkv_bias[i])
        h = self.attend(h, self.text_heads, True)
        x = x + torch.linear(h, self.text_out_weight[i], self.text_out_bias[i])

        h = self.norm(x, self.text_norm2_weight[i], self.text_norm2_bias[i], self.text_epsilon)
        h = self.text_activation(torch.linear(h, self.text_up_weight[i], self.text_up_bias[i]))
        x = x + torch.linear(h, self.text_down_weight[i], self.text_down_bias[i])

    # The end token has seen the whole text, and causality kept it from seeing the padding: no padding mask is needed.
    rows = torch.arange(x.size(0), device=x.device)
    pooled = x[rows, self.end_position(input_ids)]
    pooled = self.norm(pooled, self.text_output_norm_weight, self.text_output_norm_bias, self.text_epsilon)
    return torch.linear(pooled, self.text_projection)


# [B, N] token ids -> [B], where each row's end token is.
# OpenAI's configurations name a wrong end token; there it is the largest id of the vocabulary, so the largest in the row.
def end_position(self, input_ids: Tensor) -> Tensor:
    if self.end_is_largest_id:
        return input_ids.argmax(1)
    return (input_ids == self.end_token_id).int().argmax(1)


# Self-attention between queries, keys and values that lie side by side: [B, N, 3 * W] -> [B, N, W]
def attend(self, qkv: Tensor, heads: int, causal: bool) -> Tensor:
    batch, tokens, width = qkv.size(0), qkv.size(1), qkv.size(2) // 3
    qkv = qkv.view(batch, tokens, 3, heads, width // heads).permute(2, 0, 3, 1, 4)  # [3, B, heads, N, W / heads]
    attended = torch.scaled_dot_product_attention(qkv[0], qkv[1], qkv[2], None, 0.0, causal)
    return attended.transpose(1, 2).reshape(batch, tokens, width)


def norm(self, x: Tensor, weight: Tensor, bias: Tensor, epsilon: float) -> Tensor:
    return torch.layer_norm(x, weight.size(), weight, bias, epsilon)
