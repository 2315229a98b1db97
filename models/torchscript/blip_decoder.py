# BLIP's decoder: a BERT that looks at the states of something while it writes. The recipe adds `output_embedding`, the
# table that turns a state into scores of words (the input embedding itself, or a table of its own).
#
# P things to write about (pictures, or questions about them), of N tokens each; V the width of their states. B texts
# being written (one or several about each), T tokens fed at once, W the width of the decoder, M places in the cache.


# What every layer reads of the things, computed once: states [P, N, V] ->
# keys and values, each [layers, P, heads, N, head_dim]
def project(self, states: Tensor) -> Tuple[Tensor, Tensor]:
    shape = [self.text_layers, states.size(0), self.text_heads, states.size(1), self.text_head_dim]
    keys = torch.empty(shape, dtype=states.dtype, device=states.device)
    values = torch.empty(shape, dtype=states.dtype, device=states.device)
    for i in range(self.text_layers):
        pair = self.text_project(states, i)
        keys[i].copy_(pair[0])
        values[i].copy_(pair[1])
    return keys, values


# One step of writing. input_ids [B, T] stand at `position`, position + 1, ...; T > 1 only at position 0 (the prompt).
# Their keys and values are written into self_keys and self_values, each [layers, B, heads, M, head_dim], in place.
# cross_keys and cross_values come from `project`; text r is about thing r // (B / P).
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
    return self.decode_tokens(input_ids, position, self_keys, self_values, cross_keys, cross_values, None)


# The same where only some of the N tokens count: cross_mask [P, N] of booleans
def decode_masked(
    self,
    input_ids: Tensor,
    position: int,
    self_keys: Tensor,
    self_values: Tensor,
    cross_keys: Tensor,
    cross_values: Tensor,
    cross_mask: Tensor,
) -> Tensor:
    mask = cross_mask.unsqueeze(1).unsqueeze(1)
    return self.decode_tokens(input_ids, position, self_keys, self_values, cross_keys, cross_values, mask)


def decode_tokens(
    self,
    input_ids: Tensor,
    position: int,
    self_keys: Tensor,
    self_values: Tensor,
    cross_keys: Tensor,
    cross_values: Tensor,
    mask: Optional[Tensor],
) -> Tensor:
    length = input_ids.size(1)
    x = self.text_embed(input_ids, position)  # [B, T, W]
    for i in range(self.text_layers):
        # What has been written so far, this step included
        qkv = self.text_split(x, i)
        self_keys[i].narrow(2, position, length).copy_(qkv[1])
        self_values[i].narrow(2, position, length).copy_(qkv[2])
        keys = self_keys[i].narrow(2, 0, position + length)
        values = self_values[i].narrow(2, 0, position + length)
        x = self.text_gather(x, torch.scaled_dot_product_attention(qkv[0], keys, values, None, 0.0, length > 1), i)
        x = self.text_look(x, cross_keys[i], cross_values[i], mask, i)
        x = self.text_feed_forward(x, i)

    x = self.text_activation(torch.linear(x[:, -1], self.head_weight, self.head_bias))
    x = self.norm(x, self.head_norm_weight, self.head_norm_bias, self.text_epsilon)
    return torch.linear(x, self.output_embedding(), self.output_bias)
