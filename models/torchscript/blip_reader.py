# BLIP's text encoder: a BERT whose tokens all see each other, and the states of a picture on request.
#
# P pictures of N tokens each, V the width of their states; B texts, T tokens, W the width of the encoder.


# Texts read beside pictures. mask [B, T] of booleans: what is no padding; picture [B]: the picture of each text
# input_ids [B, T], states [P, N, V] -> [B, T, W]
def read_beside(self, input_ids: Tensor, mask: Tensor, states: Tensor, picture: Tensor) -> Tensor:
    seen = mask.unsqueeze(1).unsqueeze(1)
    x = self.reader_embed(input_ids, 0)
    for i in range(self.reader_layers):
        x = self.read_text(x, seen, i)
        pair = self.reader_project(states, i).index_select(1, picture)
        x = self.reader_look(x, pair[0], pair[1], None, i)
        x = self.reader_feed_forward(x, i)
    return x


# The self-attention of layer i: [B, T, W] -> [B, T, W]; seen [B, 1, 1, T]
def read_text(self, x: Tensor, seen: Tensor, i: int) -> Tensor:
    qkv = self.reader_split(x, i)
    return self.reader_gather(x, torch.scaled_dot_product_attention(qkv[0], qkv[1], qkv[2], seen), i)
