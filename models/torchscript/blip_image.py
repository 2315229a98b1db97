# BLIP's image tower: a vision transformer, all of whose tokens are read.
#
# P pictures, S pixels a side, N tokens, V the width of the tower.
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
    x = self.vision_encode(torch.cat([summary, patches], 1) + self.vision_positions)
    return self.norm(x, self.vision_output_norm_weight, self.vision_output_norm_bias, self.vision_epsilon)
