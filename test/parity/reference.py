"""What transformers says: makes a full-size checkpoint with random weights and writes its outputs as JSON.

    python reference.py <case> <checkpoint directory> <pictures...>

Prints one JSON object: for CLIP the float32 embeddings of pictures and texts, for BLIP the token ids of greedy captions.
Real checkpoints are not needed for this: equal code gives equal numbers for any weights.
"""

import json
import shutil
import sys
from pathlib import Path

import torch
from PIL import Image, ImageOps
from transformers import (
    AutoTokenizer,
    BlipConfig,
    BlipForConditionalGeneration,
    BlipImageProcessorPil,
    CLIPConfig,
    CLIPImageProcessorPil,
    CLIPModel,
)

MODELS = Path(__file__).resolve().parents[2] / "models"

VIT_B_32 = {
    "text_config": {"hidden_size": 512, "intermediate_size": 2048, "num_hidden_layers": 12, "num_attention_heads": 8},
    "vision_config": {
        "hidden_size": 768,
        "intermediate_size": 3072,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "patch_size": 32,
    },
    "projection_dim": 512,
}
VIT_L_14 = {
    "text_config": {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12},
    "vision_config": {
        "hidden_size": 1024,
        "intermediate_size": 4096,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "patch_size": 14,
    },
    "projection_dim": 768,
}
BLIP_BASE_VISION = {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12}
BLIP_LARGE_VISION = {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16}

CLIP_CASES = {
    "clip-b32-quick_gelu": (VIT_B_32, "quick_gelu"),
    "clip-b32-gelu": (VIT_B_32, "gelu"),
    "clip-l14-quick_gelu": (VIT_L_14, "quick_gelu"),
    "clip-l14-gelu": (VIT_L_14, "gelu"),
}
BLIP_CASES = {"blip-base": BLIP_BASE_VISION, "blip-large": BLIP_LARGE_VISION}

TEXTS = [
    "a photo of a cat",
    "a large red circle above a small blue square on a grey background",
    "",
    "two dogs, one cat & 3 birds!",
    "a " * 200,
]
PROMPTS = [None, "a picture of", "a large red"]


def with_activation(config: dict, activation: str) -> CLIPConfig:
    return CLIPConfig(
        text_config={**config["text_config"], "hidden_act": activation},
        vision_config={**config["vision_config"], "hidden_act": activation},
        projection_dim=config["projection_dim"],
    )


def copy_tokenizer(source: Path, target: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.json", "merges.txt", "vocab.txt", "special_tokens_map.json"):
        if (source / name).exists():
            shutil.copy(source / name, target / name)


def enliven(model: torch.nn.Module) -> None:
    """Biases and norms of a fresh model are zeros and ones, which would hide a bias that is left out."""
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() == 1:
                parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.1)


def pictures(paths: list[str]) -> list[Image.Image]:
    return [ImageOps.exif_transpose(Image.open(path)).convert("RGB") for path in paths]


def clip(case: str, directory: Path, paths: list[str]) -> dict:
    config = with_activation(*CLIP_CASES[case])
    # The tokenizer is small; its end token must be the largest id of a text, as eos_token_id 2 asks for the argmax.
    copy_tokenizer(MODELS / "demo-clip", directory)
    processor = CLIPImageProcessorPil()
    processor.save_pretrained(directory)
    torch.manual_seed(0)
    model = CLIPModel(config).eval()
    enliven(model)
    model.save_pretrained(directory)
    tokenizer = AutoTokenizer.from_pretrained(MODELS / "demo-clip")
    with torch.inference_mode():
        pixel_values = processor(images=pictures(paths), return_tensors="pt")["pixel_values"]
        images = model.get_image_features(pixel_values=pixel_values).pooler_output
        texts = []
        for text in TEXTS:
            ids = tokenizer(text, truncation=True, max_length=77, return_tensors="pt")["input_ids"]
            texts.append(model.get_text_features(input_ids=ids).pooler_output[0].tolist())
    return {"images": images.tolist(), "texts": texts, "textInputs": TEXTS}


def blip(case: str, directory: Path, paths: list[str]) -> dict:
    tokenizer = AutoTokenizer.from_pretrained(MODELS / "demo-blip")
    copy_tokenizer(MODELS / "demo-blip", directory)
    vision = BLIP_CASES[case]
    config = BlipConfig(
        # The default of 1e-10 makes a tower of zeros, which sees the same in every picture.
        vision_config={**vision, "image_size": 384, "patch_size": 16, "initializer_range": 0.05},
        text_config={
            "hidden_size": 768,
            "encoder_hidden_size": vision["hidden_size"],
            "intermediate_size": 3072,
            "num_hidden_layers": 12,
            "num_attention_heads": 12,
            "vocab_size": 30524,
            "bos_token_id": 30522,
            "eos_token_id": 2,
            "sep_token_id": tokenizer.sep_token_id,
            "pad_token_id": tokenizer.pad_token_id,
        },
    )
    processor = BlipImageProcessorPil()
    processor.save_pretrained(directory)
    torch.manual_seed(0)
    model = BlipForConditionalGeneration(config).eval()
    enliven(model)
    model.save_pretrained(directory)
    captions = []
    with torch.inference_mode():
        pixel_values = processor(images=pictures(paths), return_tensors="pt")["pixel_values"]
        for prompt in PROMPTS:
            inputs = {} if prompt is None else tokenizer([prompt] * len(paths), return_tensors="pt")
            inputs.pop("token_type_ids", None)
            ids = model.generate(pixel_values=pixel_values, max_length=20, num_beams=1, do_sample=False, **inputs)
            captions.append({"prompt": prompt, "tokenIds": ids.tolist()})
    return {"captions": captions, "endTokenId": tokenizer.sep_token_id}


def main() -> None:
    case, directory, *paths = sys.argv[1:]
    target = Path(directory)
    target.mkdir(parents=True, exist_ok=True)
    run = clip if case in CLIP_CASES else blip
    print(json.dumps(run(case, target, paths)))


if __name__ == "__main__":
    main()
