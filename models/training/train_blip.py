"""Trains the demo BLIP: pictures of drawn scenes to captions, with or without the prompt "a picture of"."""

import random

import torch
import torch.nn.functional as F
from common import Pointing, attend_to_the_like, parser_for, places, save, train, write_json
from scenes import SIDE
from transformers import BlipConfig, BlipForConditionalGeneration, GenerationConfig
from transformers.image_utils import OPENAI_CLIP_MEAN, OPENAI_CLIP_STD
from vocabulary import BLIP_LENGTH, blip_tokenizer

PROMPT = "a picture of"
PATCH = 12
SPREAD = 0.06  # of the first weights: the usual 0.02 suits widths of 768, and starves a width of 128
BUSY = 30  # patches of 64
LONGEST = 24  # [DEC], the three words of the prompt, a caption of at most 16 words, [SEP], and some room


def configuration(tokenizer):
    start, end = tokenizer.bos_token_id, tokenizer.sep_token_id
    vision = dict(hidden_size=128, intermediate_size=512, num_hidden_layers=4, num_attention_heads=4, projection_dim=64)
    text = dict(hidden_size=128, intermediate_size=512, num_hidden_layers=3, num_attention_heads=4, projection_dim=128)
    return BlipConfig(
        vision_config=dict(**vision, image_size=SIDE, patch_size=PATCH, initializer_range=SPREAD),
        text_config=dict(
            **text,
            vocab_size=len(tokenizer),
            encoder_hidden_size=vision["hidden_size"],
            max_position_embeddings=BLIP_LENGTH,
            bos_token_id=start,
            eos_token_id=end,
            sep_token_id=end,
            pad_token_id=tokenizer.pad_token_id,
            is_decoder=True,
            initializer_range=SPREAD,
        ),
        projection_dim=64,
        image_text_hidden_size=64,
        initializer_range=SPREAD,
    )


class Loss(torch.nn.Module):
    """Cross-entropy on what follows the prompt, or on the whole caption where there is none."""

    def __init__(self, model, tokenizer, seed, hurry):
        super().__init__()
        self.model, self.tokenizer = model, tokenizer
        self.pointing = Pointing(model.config.vision_config.hidden_size, PATCH)
        self.random = random.Random(seed)
        self.words = {}
        self.step, self.hurry = 0, hurry

    def ids(self, text):
        if text not in self.words:
            self.words[text] = self.tokenizer(text, add_special_tokens=False).input_ids
        return self.words[text]

    def look(self, images, labels):
        """The image tower; through the first part of training it sees only the busiest half of the patches."""
        self.step += 1
        if self.step > self.hurry:
            return self.model.vision_model(pixel_values=images).last_hidden_state, None
        tower = self.model.vision_model
        states = tower.embeddings(images)
        chosen = self.pointing.busiest(labels, BUSY)
        seen = states[:, 1:].gather(1, chosen[..., None].expand(-1, -1, states.shape[-1]))
        states = tower.encoder(inputs_embeds=torch.cat([states[:, :1], seen], 1)).last_hidden_state
        return tower.post_layernorm(states), chosen

    def forward(self, images, labels):
        start, end, pad = self.tokenizer.bos_token_id, self.tokenizer.sep_token_id, self.tokenizer.pad_token_id
        rows, targets = [], []
        for label in labels:
            prompt = self.ids(PROMPT) if self.random.random() < 0.3 else []
            row = [start, *prompt, *self.ids(label["caption"]), end]
            rows.append(row[:-1])
            targets.append([-100] * len(prompt) + row[1 + len(prompt) :])
        width = max(map(len, rows))
        inputs = torch.tensor([row + [pad] * (width - len(row)) for row in rows])
        targets = torch.tensor([row + [-100] * (width - len(row)) for row in targets])
        states, chosen = self.look(images, labels)
        # Padding stands at the end, where the causal mask hides it from every word that counts.
        logits = self.model.text_decoder(input_ids=inputs, encoder_hidden_states=states, use_cache=False).logits
        loss = F.cross_entropy(logits.float().flatten(0, 1), targets.flatten(), ignore_index=-100)
        helper = self.pointing(states[:, 1:], images, labels, chosen)
        return loss + 0.5 * helper, loss.detach(), helper.detach()


def main():
    options = parser_for("Train the demo BLIP.", "demo-blip", steps=6000, batch=48).parse_args()
    torch.manual_seed(options.seed)
    torch.set_num_threads(options.threads)
    tokenizer = blip_tokenizer()
    model = BlipForConditionalGeneration(configuration(tokenizer))
    positions = model.vision_model.embeddings.position_embedding
    positions.data.copy_(places(SIDE // PATCH, positions.shape[-1]))
    for layer in model.vision_model.encoder.layers:
        *three, output = attend_to_the_like(positions.shape[-1], layer.self_attn.num_heads)
        layer.self_attn.qkv.weight.data.copy_(torch.cat(three))
        layer.self_attn.projection.weight.data.copy_(output)
    model.train()
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters", flush=True)
    train(Loss(model, tokenizer, options.seed, hurry=options.steps * 6 // 10), options)

    start, end, pad = tokenizer.bos_token_id, tokenizer.sep_token_id, tokenizer.pad_token_id
    model.generation_config = GenerationConfig(bos_token_id=start, eos_token_id=end, pad_token_id=pad, max_length=LONGEST)
    save(model, tokenizer, options.out)
    # The form of the published files; transformers 5 alone would write neither vocab.txt nor the older class name.
    words = sorted((index, word) for word, index in tokenizer.get_vocab().items() if index < start)
    (options.out / "vocab.txt").write_text("".join(f"{word}\n" for _, word in words))
    write_json(
        options.out / "preprocessor_config.json",
        {
            "do_normalize": True,
            "do_rescale": True,
            "do_resize": True,
            "image_mean": OPENAI_CLIP_MEAN,
            "image_processor_type": "BlipImageProcessor",
            "image_std": OPENAI_CLIP_STD,
            "processor_class": "BlipProcessor",
            "resample": 3,
            "rescale_factor": 1 / 255,
            "size": {"height": SIDE, "width": SIDE},
        },
    )


if __name__ == "__main__":
    main()
