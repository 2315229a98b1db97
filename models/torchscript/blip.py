# BLIP captioning: a vision transformer, and a BERT decoder that looks at its states while it writes.
#
# This is TorchScript for torch::jit::Module::define, not a Python module: `self` holds the parameters and constants that
# lib/checkpoint/blip-recipe.ts registers, and `torch.*` are the aten operators and nothing else. The recipe adds three
# methods of one line: `vision_activation` and `text_activation` for the checkpoint's kind of GELU, and `output_embedding`,
# the table that turns a state into scores of words (the input embedding itself, or a table of its own).
#
# P pictures, S pixels a side, N image tokens, V the width of the image tower; B captions being written (one or several a
# picture), T tokens fed at once, W the width of the decoder, M places in the cache.
# A parameter with the letters [L, ...] stacks all the layers of its tower; layer i reads row i.
# The dtype and the device are the parameters' own: nothing here names either.


# [P, 3, S, S], already normalised -> states [P, N, V]
def encode_image(self, pixel_values: Tensor) -> Tensor:
    # Every patch becomes one vector: [P, V, grid, grid] -> [P, grid * grid, V]
    pixels = pixel_values.to(self.vision_patch_weight.dtype)
    patches = torch.conv2d(
        pixels, self.vision_patch_weight, self.vision_patch_bias, [self.patch_size, self.patch_size]
    )
    patches = patches.flatten(2).transpose(1, 2)

    # N = 1 + grid * grid: a learned token goes first
    summary = self.vision_class_embedding.expand(patches.size(0), 1, -1)
    x = torch.cat([summary, patches], 1) + self.vision_positions

    for i in range(self.vision_layers):
        h = self.norm(x, self.vision_norm1_weight[i], self.vision_norm1_bias[i], self.vision_epsilon)
        h = torch.linear(h, self.vision_qkv_weight[i], self.vision_qkv_bias[i])
        q, k, v = self.split_heads(h, self.vision_heads)
        h = self.join_heads(torch.scaled_dot_product_attention(q, k, v))
        x = x + torch.linear(h, self.vision_out_weight[i], self.vision_out_bias[i])

        h = self.norm(x, self.vision_norm2_weight[i], self.vision_norm2_bias[i], self.vision_epsilon)
        h = self.vision_activation(torch.linear(h, self.vision_up_weight[i], self.vision_up_bias[i]))
        x = x + torch.linear(h, self.vision_down_weight[i], self.vision_down_bias[i])

    return self.norm(x, self.vision_output_norm_weight, self.vision_output_norm_bias, self.vision_epsilon)


# What every decoder layer reads from the pictures, computed once: states [P, N, V] ->
# keys and values, each [layers, P, heads, N, head_dim]
def project(self, states: Tensor) -> Tuple[Tensor, Tensor]:
    pictures, tokens = states.size(0), states.size(1)
    shape = [self.text_layers, pictures, self.text_heads, tokens, self.text_head_dim]
    keys = torch.empty(shape, dtype=states.dtype, device=states.device)
    values = torch.empty(shape, dtype=states.dtype, device=states.device)
    for i in range(self.text_layers):
        # Keys and values lie side by side: [P, N, 2 * W] -> [2, P, heads, N, head_dim]
        pair = torch.linear(states, self.cross_kv_weight[i], self.cross_kv_bias[i])
        pair = pair.view(pictures, tokens, 2, self.text_heads, self.text_head_dim).permute(2, 0, 3, 1, 4)
        keys[i].copy_(pair[0])
        values[i].copy_(pair[1])
    return keys, values


# One step of writing. input_ids [B, T] stand at `position`, position + 1, ...; T > 1 only at position 0 (the prompt).
# Their keys and values are written into self_keys and self_values, each [layers, B, heads, M, head_dim], in place.
# cross_keys and cross_values come from `project`; caption r looks at picture r // (B / P).
# -> scores of the next word after the last of the T tokens: [B, vocabulary]
def decode(
    self,
    input_ids: Tensor,
    position: int,
    self_keys: Tensor,
    self_values: Tensor,
    cross_keys: Tensor,
    cross_values: Tensor,
) -> Tensor:
    rows, length = input_ids.size(0), input_ids.size(1)
    pictures = cross_keys.size(1)
    width = self.text_heads * self.text_head_dim

    x = torch.embedding(self.text_embedding, input_ids) + self.text_positions.narrow(0, position, length)  # [B, T, W]
    x = self.norm(x, self.text_input_norm_weight, self.text_input_norm_bias, self.text_epsilon)

    for i in range(self.text_layers):
        # What has been written so far, this step included
        q, k, v = self.split_heads(
            torch.linear(x, self.text_qkv_weight[i], self.text_qkv_bias[i]), self.text_heads
        )
        self_keys[i].narrow(2, position, length).copy_(k)
        self_values[i].narrow(2, position, length).copy_(v)
        keys = self_keys[i].narrow(2, 0, position + length)
        values = self_values[i].narrow(2, 0, position + length)
        h = self.join_heads(torch.scaled_dot_product_attention(q, keys, values, None, 0.0, length > 1))
        h = x + torch.linear(h, self.text_out_weight[i], self.text_out_bias[i])
        x = self.norm(h, self.text_norm1_weight[i], self.text_norm1_bias[i], self.text_epsilon)

        # The picture. Its captions are neighbours, so they become one longer row of queries: the keys and values of
        # a picture are read once and never repeated. [B, T, W] -> [P, heads, B / P * T, head_dim]
        q = torch.linear(x, self.cross_q_weight[i], self.cross_q_bias[i])
        q = q.view(pictures, rows // pictures * length, self.text_heads, self.text_head_dim).transpose(1, 2)
        h = self.join_heads(torch.scaled_dot_product_attention(q, cross_keys[i], cross_values[i]))
        h = torch.linear(h.view(rows, length, width), self.cross_out_weight[i], self.cross_out_bias[i])
        x = self.norm(x + h, self.cross_norm_weight[i], self.cross_norm_bias[i], self.text_epsilon)

        h = self.text_activation(torch.linear(x, self.text_up_weight[i], self.text_up_bias[i]))
        h = torch.linear(h, self.text_down_weight[i], self.text_down_bias[i])
        x = self.norm(x + h, self.text_norm2_weight[i], self.text_norm2_bias[i], self.text_epsilon)

    x = self.text_activation(torch.linear(x[:, -1], self.head_weight, self.head_bias))
    x = self.norm(x, self.head_norm_weight, self.head_norm_bias, self.text_epsilon)
    return torch.linear(x, self.output_embedding(), self.output_bias)


# Queries, keys and values that lie side by side: [B, N, 3 * heads * d] -> three of [B, heads, N, d]
def split_heads(self, qkv: Tensor, heads: int) -> Tuple[Tensor, Tensor, Tensor]:
    batch, tokens, width = qkv.size(0), qkv.size(1), qkv.size(2)
    qkv = qkv.view(batch, tokens, 3, heads, width // (3 * heads)).permute(2, 0, 3, 1, 4)
    return qkv[0], qkv[1], qkv[2]


# [B, heads, N, d] -> [B, N, heads * d]
def join_heads(self, x: Tensor) -> Tensor:
    return x.transpose(1, 2).flatten(2)


def norm(self, x: Tensor, weight: Tensor, bias: Tensor, epsilon: float) -> Tensor:
    return torch.layer_norm(x, weight.size(), weight, bias, epsilon)
