# The parts of BERT's layers, with a look at something else between self-attention and feed-forward. TOWER stands for the
# name of the tower, `text` (a decoder) or `reader` (an encoder), which is put in when a module is made; the recipe adds
# `TOWER_activation`, one line for the checkpoint's kind of GELU.
#
# B texts, T tokens, W the width of the tower; P things to look at, of N tokens each.
# A parameter with the letters [L, ...] stacks all the layers of its tower; layer i reads row i.


# [B, T] token ids that stand at `position`, position + 1, ... -> [B, T, W]
def TOWER_embed(self, input_ids: Tensor, position: int) -> Tensor:
    positions = self.TOWER_positions.narrow(0, position, input_ids.size(1))
    x = torch.embedding(self.TOWER_embedding, input_ids) + positions
    return self.norm(x, self.TOWER_input_norm_weight, self.TOWER_input_norm_bias, self.TOWER_epsilon)


# Queries, keys and values of self-attention: [B, T, W] -> [3, B, heads, T, W / heads]
def TOWER_split(self, x: Tensor, i: int) -> Tensor:
    qkv = torch.linear(x, self.TOWER_qkv_weight[i], self.TOWER_qkv_bias[i])
    width = x.size(2) // self.TOWER_heads
    return qkv.view(x.size(0), x.size(1), 3, self.TOWER_heads, width).permute(2, 0, 3, 1, 4)


# What self-attention gathered, [B, heads, T, W / heads], comes to x [B, T, W]
def TOWER_gather(self, x: Tensor, gathered: Tensor, i: int) -> Tensor:
    h = torch.linear(gathered.transpose(1, 2).flatten(2), self.TOWER_out_weight[i], self.TOWER_out_bias[i])
    return self.norm(x + h, self.TOWER_norm1_weight[i], self.TOWER_norm1_bias[i], self.TOWER_epsilon)


# Keys and values of what layer i looks at: states [P, N, V] -> [2, P, heads, N, W / heads]
def TOWER_project(self, states: Tensor, i: int) -> Tensor:
    pair = torch.linear(states, self.TOWER_cross_kv_weight[i], self.TOWER_cross_kv_bias[i])
    width = pair.size(2) // (2 * self.TOWER_heads)
    return pair.view(pair.size(0), pair.size(1), 2, self.TOWER_heads, width).permute(2, 0, 3, 1, 4)


# Texts that look at the same thing are neighbours, so they become one longer row of queries: its keys and values, each
# [P, heads, N, W / heads], are read once and never repeated. [B, T, W] -> the same. `mask`: which of the N count.
def TOWER_look(self, x: Tensor, keys: Tensor, values: Tensor, mask: Optional[Tensor], i: int) -> Tensor:
    rows, length, width = x.size(0), x.size(1), x.size(2)
    things = keys.size(0)
    q = torch.linear(x, self.TOWER_cross_q_weight[i], self.TOWER_cross_q_bias[i])
    q = q.view(things, rows // things * length, self.TOWER_heads, width // self.TOWER_heads).transpose(1, 2)
    h = torch.scaled_dot_product_attention(q, keys, values, mask)
    h = h.transpose(1, 2).reshape(rows, length, width)
    h = torch.linear(h, self.TOWER_cross_out_weight[i], self.TOWER_cross_out_bias[i])
    return self.norm(x + h, self.TOWER_cross_norm_weight[i], self.TOWER_cross_norm_bias[i], self.TOWER_epsilon)


# [B, T, W] -> [B, T, W]
def TOWER_feed_forward(self, x: Tensor, i: int) -> Tensor:
    h = self.TOWER_activation(torch.linear(x, self.TOWER_up_weight[i], self.TOWER_up_bias[i]))
    h = torch.linear(h, self.TOWER_down_weight[i], self.TOWER_down_bias[i])
    return self.norm(x + h, self.TOWER_norm2_weight[i], self.TOWER_norm2_bias[i], self.TOWER_epsilon)
