# The learned positions of a picture's tokens, for a grid of patches of any size.


# [N, W]: those of the checkpoint where the grid is the one that it was trained with; else its grid is stretched by
# bicubic interpolation, as `interpolate_pos_encoding` of transformers does. The first `summary_tokens` have no place in
# the grid and stay what they are.
def patch_positions(self, rows: int, columns: int) -> Tensor:
    learned = self.vision_positions
    side = self.grid_side
    if rows == side and columns == side:
        return learned
    grid = learned[self.summary_tokens :].float().view(1, side, side, -1).permute(0, 3, 1, 2)
    grid = torch.upsample_bicubic2d(grid, [rows, columns], False)
    grid = grid.flatten(2).squeeze(0).t().to(learned.dtype)
    return torch.cat([learned[: self.summary_tokens], grid])
