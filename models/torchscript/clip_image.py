# CLIP's image tower: a vision transformer whose first token collects what the picture means.
#
# B pictures, S pixels a side, N tokens, W the width of the tower, D the dimension of the common space.
# The dtype and the device are the parameters' own: nothing here names either.


# [B, 3, S, S], already normalised -> [B, D], length not normalised
def encode_image(self, pixel_values: Tensor) -> Tensor:
    # Every patch becomes one vector: [B, W, rows, columns] -> [B, rows * columns, W]
    pixels = pixel_values.to(self.vision_patch_weight.dtype)
    patches = torch.conv2d(pixels, self.vision_patch_weight, None, [self.patch_size, self.patch_size])
    positions = self.patch_positions(patches.size(2), patches.size(3))
    patches = patches.flatten(2).transpose(1, 2)

    # A learned token goes first: [B, N, W], N = 1 + rows * columns
    summary = self.vision_class_embedding.expand(patches.size(0), 1, -1)
    x = torch.cat([summary, patches], 1) + positions
    x = self.norm(x, self.vision_input_norm_weight, self.vision_input_norm_bias, self.vision_epsilon)

    # Of the last layer only the first token is read: the others need not go through the rest of it.
    last = self.vision_layers - 1
    x = self.vision_encode_layers(x, last)
    pooled = self.vision_feed_forward(x[:, 0], self.vision_attend(x, last)[:, 0], last)
    pooled = self.norm(pooled, self.vision_output_norm_weight, self.vision_output_norm_bias, self.vision_epsilon)
    return torch.linear(pooled, self.vision_projection)
