# CLIP's text tower: every token looks back, and the end token is what the text means.
#
# B texts, N tokens, W the width of the tower, D the dimension of the common space.
# The dtype and the device are the parameters' own: nothing here names either.


# [B, N] token ids, padded after the end token; N may be shorter than the context -> [B, D], length not normalised
def encode_text(self, input_ids: Tensor) -> Tensor:
    x = torch.embedding(self.text_embedding, input_ids) + self.text_positions[: input_ids.size(1)]  # [B, N, W]
    last = self.text_layers - 1
    x = self.text_encode_layers(x, last)

    # The end token has seen the whole text, and causality kept it from seeing the padding: no padding mask is needed.
    # Nothing else is read of the last layer: the other tokens need not go through the rest of it.
    rows = torch.arange(x.size(0), device=x.device)
    end = self.end_position(input_ids)
    pooled = self.text_feed_forward(x[rows, end], self.text_attend(x, last)[rows, end], last)
    pooled = self.norm(pooled, self.text_output_norm_weight, self.text_output_norm_bias, self.text_epsilon)
    return torch.linear(pooled, self.text_projection)


# [B, N] token ids -> [B], where each row's end token is.
# OpenAI's configurations name a wrong end token; there it is the largest id of the vocabulary, so the largest in the row.
def end_position(self, input_ids: Tensor) -> Tensor:
    if self.end_is_largest_id:
        return input_ids.argmax(1)
    return (input_ids == self.end_token_id).int().argmax(1)
