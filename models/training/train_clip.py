"""Trains the demo CLIP: drawn scenes against whole captions, and against short descriptions of single attributes."""

import random
from pathlib import Path

import torch
import torch.nn.functional as F
from common import MODELS, Pointing, parser_for, save, train, write_json
from scenes import BACKGROUNDS, COLOURS, SHAPES, SIDE, SIZES
from transformers import BlipForConditionalGeneration, CLIPConfig, CLIPModel
from transformers.image_utils import OPENAI_CLIP_MEAN, OPENAI_CLIP_STD
from vocabulary import CLIP_LENGTH, clip_tokenizer

PATCH = 12

# What zero-shot classification asks: the candidates of one attribute, the label that answers, and ways to put them.
QUESTIONS = {
    "colours": (
        list(COLOURS),
        ["a {} shape", "a {} thing", "a {} object", "something {}", "{}", "a picture of a {} shape", "a drawing of a {} shape"],
    ),
    "shapes": (list(SHAPES), ["a {}", "{}", "a {} shape", "a picture of a {}", "a drawing of a {}", "there is a {}"]),
    "kinds": (
        [f"{colour} {shape}" for colour in COLOURS for shape in SHAPES],
        ["a {}", "{}", "a picture of a {}", "a drawing of a {}"],
    ),
    "sizes": (list(SIZES), ["a {} shape", "a {} object", "something {}"]),
    "background": (list(BACKGROUNDS), ["a {} background", "on a {} background", "a picture with a {} background"]),
}


def configuration(tokenizer):
    vision = dict(hidden_size=128, intermediate_size=512, num_hidden_layers=4, num_attention_heads=4)
    text = dict(hidden_size=128, intermediate_size=512, num_hidden_layers=3, num_attention_heads=4)
    start, end, pad = tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id
    return CLIPConfig(
        vision_config=dict(**vision, image_size=SIDE, patch_size=PATCH, projection_dim=128),
        text_config=dict(
            **text,
            vocab_size=len(tokenizer),
            max_position_embeddings=CLIP_LENGTH,
            projection_dim=128,
            bos_token_id=start,
            eos_token_id=end,
            pad_token_id=pad,
        ),
        projection_dim=128,
    )


@torch.no_grad()
def start_from(model, blip):
    """Begins with the image tower of the demo BLIP, which has learned to see shapes: that is the long part of the work.

    The two towers differ in little. CLIP's patches have no bias, so it goes into the positions; CLIP normalises once
    before the first layer, which starts as nearly nothing; its queries, keys and values are three matrices.
    """
    theirs, ours = blip.vision_model, model.vision_model
    patches = theirs.embeddings.patch_embedding
    ours.embeddings.patch_embedding.weight.copy_(patches.weight)
    ours.embeddings.class_embedding.copy_(theirs.embeddings.class_embedding[0, 0])
    positions = theirs.embeddings.position_embedding[0].clone()
    positions[1:] += patches.bias
    ours.embeddings.position_embedding.weight.copy_(positions)
    ours.pre_layrnorm.weight.fill_(positions.std())
    for mine, other in zip(ours.encoder.layers, theirs.encoder.layers):
        for part in ("layer_norm1", "layer_norm2", "mlp"):
            getattr(mine, part).load_state_dict(getattr(other, part).state_dict())
        mine.self_attn.out_proj.load_state_dict(other.self_attn.projection.state_dict())
        thirds = zip(other.self_attn.qkv.weight.chunk(3), other.self_attn.qkv.bias.chunk(3))
        for name, (weight, bias) in zip(("q_proj", "k_proj", "v_proj"), thirds):
            getattr(mine.self_attn, name).weight.copy_(weight)
            getattr(mine.self_attn, name).bias.copy_(bias)
    ours.post_layernorm.load_state_dict(theirs.post_layernorm.state_dict())


def contrast(similarity, match):
    """Contrastive loss both ways where a row or column may have several right answers, or none.

    Two pictures of one batch often share a caption: counting the other's as wrong would teach noise.
    """
    loss = 0.0
    for logits, right in ((similarity, match), (similarity.T, match.T)):
        count = right.sum(1)
        some = count > 0
        target = right[some] / count[some, None]
        loss = loss - (target * F.log_softmax(logits[some], 1)).sum(1).mean() / 2
    return loss


class Loss(torch.nn.Module):
    def __init__(self, model, tokenizer, seed):
        super().__init__()
        self.model, self.tokenizer = model, tokenizer
        self.pointing = Pointing(model.config.vision_config.hidden_size, PATCH)
        self.random = random.Random(seed)
        self.words = {}

    def ids(self, text):
        if text not in self.words:
            self.words[text] = self.tokenizer(text).input_ids
        return self.words[text]

    def texts(self, texts):
        rows = [self.ids(text) for text in texts]
        width = max(map(len, rows))
        ids = torch.tensor([row + [self.tokenizer.pad_token_id] * (width - len(row)) for row in rows])
        # No mask: the vector is read at the first end token, and attention only looks back.
        pooled = self.model.text_model(input_ids=ids).pooler_output
        return F.normalize(self.model.text_projection(pooled).float(), dim=-1)

    def forward(self, images, labels):
        seen = self.model.vision_model(pixel_values=images)
        pictures = F.normalize(self.model.visual_projection(seen.pooler_output).float(), dim=-1)
        scale = self.model.logit_scale.clamp(max=4.6052).exp()  # at most 100, as in CLIP

        captions = sorted({label["caption"] for label in labels})
        match = torch.tensor([[float(label["caption"] == caption) for caption in captions] for label in labels])
        prompt = self.random.choice(["", "", "", "a picture of ", "a drawing of "])
        loss = contrast(scale * pictures @ self.texts([prompt + caption for caption in captions]).T, match)

        # All questions go through the text tower in one batch.
        asked = [(name, candidates, self.random.choice(ways)) for name, (candidates, ways) in QUESTIONS.items()]
        vectors = self.texts([way.format(candidate) for _, candidates, way in asked for candidate in candidates])
        for (name, candidates, _), part in zip(asked, vectors.split([len(candidates) for _, candidates, _ in asked])):
            present = [[label[name]] if name == "background" else label[name] for label in labels]
            match = torch.tensor([[float(candidate in there) for candidate in candidates] for there in present])
            loss = loss + 0.4 * contrast(scale * pictures @ part.T, match)
        helper = self.pointing(seen.last_hidden_state[:, 1:], images, labels)
        return loss + 0.5 * helper, loss.detach(), helper.detach()


def main():
    parser = parser_for("Train the demo CLIP.", "demo-clip", steps=1500, batch=64)
    parser.add_argument("--tower", type=Path, default=MODELS / "demo-blip", help="the BLIP whose image tower to start from")
    parser.set_defaults(rate=1e-3)
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    torch.set_num_threads(options.threads)
    tokenizer = clip_tokenizer()
    model = CLIPModel(configuration(tokenizer))
    start_from(model, BlipForConditionalGeneration.from_pretrained(options.tower, dtype=torch.float32))
    model.train()
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters", flush=True)
    train(Loss(model, tokenizer, options.seed), options)

    with torch.no_grad():
        model.logit_scale.clamp_(max=4.6052)
    save(model, tokenizer, options.out)
    # The form of the published files; transformers 5 alone would write only tokenizer.json.
    bpe = tokenizer.backend_tokenizer.model
    bpe.save(str(options.out))
    write_json(
        options.out / "preprocessor_config.json",
        {
            "crop_size": {"height": SIDE, "width": SIDE},
            "do_center_crop": True,
            "do_convert_rgb": True,
            "do_normalize": True,
            "do_rescale": True,
            "do_resize": True,
            "image_mean": OPENAI_CLIP_MEAN,
            "image_processor_type": "CLIPImageProcessor",
            "image_std": OPENAI_CLIP_STD,
            "resample": 3,
            "rescale_factor": 1 / 255,
            "size": {"shortest_edge": SIDE},
        },
    )


if __name__ == "__main__":
    main()
