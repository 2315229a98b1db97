# SigLIP's text tower: every token looks at all the others, and the last place is what the text means.
#
# B texts, N tokens, W the width of the tower, D the dimension of the common space.
# The dtype and the device are the parameters' own: nothing here names either.


# [B, N] token ids, filled up to the whole context: the filling takes part -> [B, D], length not normalised
def encode_text(self, input_ids: Tensor) -> Tensor:
    x = torch.embedding(self.text_embedding, input_ids) + self.text_positions[: input_ids.size(1)]  # [B, N, W]
    # Of the last layer only the last token is read: the others need not go through the rest of it.
    last = self.text_layers - 1
    x = self.text_encode_layers(x, last)
    pooled = self.text_feed_forward(x[:, -1], self.text_attend(x, last)[:, -1], last)
    pooled = self.norm(pooled, self.text_output_norm_weight, self.text_output_norm_bias, self.text_epsilon)
    return torch.linear(pooled, self.text_projection_weight, self.text_projection_bias)
