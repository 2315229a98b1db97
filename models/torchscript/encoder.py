# The layers of a tower: a pre-norm transformer. TOWER stands for the tower's name, `vision` or `text`, which is put in
# when a module is made; the recipe adds `TOWER_activation`, one line for the checkpoint's kind of GELU.
#
# A parameter with the letters [L, ...] stacks all the layers of its tower; layer i reads row i.


# [B, N, W] -> [B, N, W]
def TOWER_encode(self, x: Tensor) -> Tensor:
    return self.TOWER_encode_layers(x, self.TOWER_layers)


# The first `count` layers: [B, N, W] -> [B, N, W]
def TOWER_encode_layers(self, x: Tensor, count: int) -> Tensor:
    for i in range(count):
        x = self.TOWER_feed_forward(x, self.TOWER_attend(x, i), i)
    return x


# What the tokens gather from each other: [B, N, W] -> [B, N, W]
def TOWER_attend(self, x: Tensor, i: int) -> Tensor:
    h = self.norm(x, self.TOWER_norm1_weight[i], self.TOWER_norm1_bias[i], self.TOWER_epsilon)
    return self.attend(
        torch.linear(h, self.TOWER_qkv_weight[i], self.TOWER_qkv_bias[i]), self.TOWER_heads, self.TOWER_causal
    )


# The rest of a layer, which treats every token by itself: x and what it gathered, both [..., W] -> [..., W]
def TOWER_feed_forward(self, x: Tensor, gathered: Tensor, i: int) -> Tensor:
    x = x + torch.linear(gathered, self.TOWER_out_weight[i], self.TOWER_out_bias[i])
    h = self.norm(x, self.TOWER_norm2_weight[i], self.TOWER_norm2_bias[i], self.TOWER_epsilon)
    h = self.TOWER_activation(torch.linear(h, self.TOWER_up_weight[i], self.TOWER_up_bias[i]))
    return x + torch.linear(h, self.TOWER_down_weight[i], self.TOWER_down_bias[i])
