# What BLIP's image-text matching makes of the states of pictures and texts.
#
# P pictures of N tokens each, V the width of their states; B texts, T tokens, W the width of the text encoder, D the
# dimension of the common space.


# Whether texts describe the pictures that they are read beside, as in `read_beside`: scores of no and yes [B, 2]
def match(self, input_ids: Tensor, mask: Tensor, states: Tensor, picture: Tensor) -> Tensor:
    x = self.read_beside(input_ids, mask, states, picture)
    return torch.linear(x[:, 0], self.match_weight, self.match_bias)


# Pictures in the common space: states [P, N, V] -> [P, D], length not normalised
def embed_pictures(self, states: Tensor) -> Tensor:
    return torch.linear(states[:, 0], self.image_projection_weight, self.image_projection_bias)


# Texts in the common space, read without a picture: [B, T] -> [B, D], length not normalised
def embed_texts(self, input_ids: Tensor, mask: Tensor) -> Tensor:
    seen = mask.unsqueeze(1).unsqueeze(1)
    x = self.reader_embed(input_ids, 0)
    for i in range(self.reader_layers):
        x = self.reader_feed_forward(self.read_text(x, seen, i), i)
    return torch.linear(x[:, 0], self.text_projection_weight, self.text_projection_bias)
