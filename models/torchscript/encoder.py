# The layers of a tower: a pre-norm transformer. TOWER stands for the tower's name, `vision` or `text`, which is put in
# when a module is made; the recipe adds `TOWER_activation`, one line for the checkpoint's kind of GELU.
#
# A parameter with the letters [L, ...] stacks all the layers of its tower; layer i reads row i.


# [B, N, W] -> [B, N, W]
def TOWER_encode(self, x: Tensor) -> Tensor:
    for i in range(self.TOWER_layers):
        h = self.norm(x, self.TOWER_norm1_weight[i], self.TOWER_norm1_bias[i], self.TOWER_epsilon)
        h = torch.linear(h, self.TOWER_qkv_weight[i], self.TOWER_qkv_bias[i])
        h = self.attend(h, self.TOWER_heads, self.TOWER_causal)
        x = x + torch.linear(h, self.TOWER_out_weight[i], self.TOWER_out_bias[i])

        h = self.norm(x, self.TOWER_norm2_weight[i], self.TOWER_norm2_bias[i], self.TOWER_epsilon)
        h = self.TOWER_activation(torch.linear(h, self.TOWER_up_weight[i], self.TOWER_up_bias[i]))
        x = x + torch.linear(h, self.TOWER_down_weight[i], self.TOWER_down_bias[i])
    return x
