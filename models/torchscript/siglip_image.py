# SigLIP's image tower: a vision transformer without a token in front; a learned question is put to its patches, and the
# answer is what the picture means.
#
# B pictures, S pixels a side, N tokens, W the width of the tower, which is the dimension of the common space.
# The dtype and the device are the parameters' own: nothing here names either.


# [B, 3, S, S], already normalised -> [B, W], length not normalised
def encode_image(self, pixel_values: Tensor) -> Tensor:
    # Every patch becomes one vector: [B, W, rows, columns] -> [B, rows * columns, W]
    pixels = pixel_values.to(self.vision_patch_weight.dtype)
    patches = torch.conv2d(
        pixels, self.vision_patch_weight, self.vision_patch_bias, [self.patch_size, self.patch_size]
    )
    positions = self.patch_positions(patches.size(2), patches.size(3))
    x = self.vision_encode(patches.flatten(2).transpose(1, 2) + positions)
    x = self.norm(x, self.vision_output_norm_weight, self.vision_output_norm_bias, self.vision_epsilon)
    return self.pool(x)


# Attention of one learned query to all the patches, and a feed-forward part: [B, N, W] -> [B, W]
def pool(self, x: Tensor) -> Tensor:
    batch, tokens, width = x.size(0), x.size(1), x.size(2)
    heads = self.vision_heads
    query = torch.linear(self.pool_probe, self.pool_query_weight, self.pool_query_bias)  # [1, 1, W]
    query = query.view(1, 1, heads, width // heads).transpose(1, 2).expand(batch, -1, -1, -1)
    # Keys and values lie side by side: [B, N, 2 * W] -> [2, B, heads, N, W / heads]
    pair = torch.linear(x, self.pool_kv_weight, self.pool_kv_bias)
    pair = pair.view(batch, tokens, 2, heads, width // heads).permute(2, 0, 3, 1, 4)
    h = torch.scaled_dot_product_attention(query, pair[0], pair[1]).reshape(batch, width)
    h = torch.linear(h, self.pool_out_weight, self.pool_out_bias)

    y = self.norm(h, self.pool_norm_weight, self.pool_norm_bias, self.vision_epsilon)
    y = self.vision_activation(torch.linear(y, self.pool_up_weight, self.pool_up_bias))
    return h + torch.linear(y, self.pool_down_weight, self.pool_down_bias)
