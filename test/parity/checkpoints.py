"""Checkpoints with random weights, at the full size of the published models.

    python checkpoints.py <case> <directory> [--small] [--device cuda]

Real ones are not needed to compare programs: equal code gives equal numbers for any weights, at the same speed.
"""

import argparse
import shutil
from pathlib import Path

import torch
from transformers import (
    AutoTokenizer,
    BlipConfig,
    BlipForConditionalGeneration,
    BlipImageProcessorPil,
    CLIPConfig,
    CLIPImageProcessorPil,
    CLIPModel,
    SiglipConfig,
    SiglipImageProcessorPil,
    SiglipModel,
)

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
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
BLIP_TEXT = {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12}

CLIP_CASES = {
    "clip-b32-quick_gelu": (VIT_B_32, "quick_gelu"),
    "clip-b32-gelu": (VIT_B_32, "gelu"),
    "clip-l14-quick_gelu": (VIT_L_14, "quick_gelu"),
    "clip-l14-gelu": (VIT_L_14, "gelu"),
}
BLIP_CASES = {"blip-base": BLIP_BASE_VISION, "blip-large": BLIP_LARGE_VISION}
# What replaces the sizes above where a program is only to be tried, not measured.
SMALL = {"hidden_size": 96, "intermediate_size": 192, "num_hidden_layers": 2, "num_attention_heads": 12}


def clip_config(case: str, small: bool = False) -> CLIPConfig:
    sizes, activation = CLIP_CASES[case]
    # Published checkpoints say it in each tower too, where a tower that is loaded alone looks for it.
    shared = {"hidden_act": activation, "projection_dim": sizes["projection_dim"]}
    changes = {**shared, **(SMALL if small else {})}
    return CLIPConfig(
        text_config={**sizes["text_config"], **changes},
        vision_config={**sizes["vision_config"], **changes},
        projection_dim=sizes["projection_dim"],
    )


def blip_config(case: str, tokenizer, small: bool = False) -> BlipConfig:
    changes = SMALL if small else {}
    vision = {**BLIP_CASES[case], **changes}
    return BlipConfig(
        # The default of 1e-10 makes a tower of zeros, which sees the same in every picture.
        vision_config={**vision, "image_size": 384, "patch_size": 16, "initializer_range": 0.05},
        text_config={
            **BLIP_TEXT,
            **changes,
            "encoder_hidden_size": vision["hidden_size"],
            "vocab_size": 30524,
            "bos_token_id": 30522,
            "eos_token_id": 2,
            "sep_token_id": tokenizer.sep_token_id,
            "pad_token_id": tokenizer.pad_token_id,
        },
    )


# As google/siglip-base-patch16-224 and google/siglip2-base-patch16-256: tokenizer, vocabulary, pixels, Pillow's filter.
SIGLIP_CASES = {"siglip-base": ("siglip", 32_000, 224, 3), "siglip2-base": ("siglip2", 256_000, 256, 2)}


def copy_tokenizer(source: Path, target: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.json", "merges.txt", "vocab.txt", "special_tokens_map.json", "spiece.model"):
        if (source / name).exists():
            shutil.copy(source / name, target / name)


def enliven(model: torch.nn.Module) -> None:
    """Biases and norms of a fresh model are zeros and ones, which would hide a bias that is left out."""
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() == 1:
                parameter.add_(torch.randn(parameter.shape, generator=generator).to(parameter.device) * 0.1)


def save(model: torch.nn.Module, processor, tokenizer: Path, directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    enliven(model)
    # The tokenizer is small. Of a CLIP's its end token is the largest id, as eos_token_id 2 asks for the argmax.
    copy_tokenizer(tokenizer, directory)
    processor.save_pretrained(directory)
    model.save_pretrained(directory)


def make_clip(case: str, directory: Path, small: bool = False, device: str = "cpu"):
    """Writes a CLIP checkpoint; gives back the model, its processor and its tokenizer."""
    torch.manual_seed(0)
    with torch.device(device):
        model = CLIPModel(clip_config(case, small)).eval()
    processor = CLIPImageProcessorPil()
    save(model, processor, MODELS / "demo-clip", directory)
    return model, processor, AutoTokenizer.from_pretrained(MODELS / "demo-clip")


def make_blip(case: str, directory: Path, small: bool = False, device: str = "cpu"):
    """Writes a BLIP checkpoint; gives back the model, its processor and its tokenizer."""
    tokenizer = AutoTokenizer.from_pretrained(MODELS / "demo-blip")
    torch.manual_seed(0)
    with torch.device(device):
        model = BlipForConditionalGeneration(blip_config(case, tokenizer, small)).eval()
    processor = BlipImageProcessorPil()
    save(model, processor, MODELS / "demo-blip", directory)
    return model, processor, tokenizer


def make_siglip(case: str, directory: Path):
    """Writes a SigLIP checkpoint; gives back the model, its processor and its tokenizer."""
    tokenizer, vocabulary, side, resample = SIGLIP_CASES[case]
    torch.manual_seed(0)
    text = {"vocab_size": vocabulary, "bos_token_id": 2, "eos_token_id": 1}
    model = SiglipModel(SiglipConfig(text_config=text, vision_config={"image_size": side})).eval()
    processor = SiglipImageProcessorPil(size={"height": side, "width": side}, resample=resample)
    save(model, processor, FIXTURES / "siglip" / tokenizer, directory)
    return model, processor, AutoTokenizer.from_pretrained(directory)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", choices=[*CLIP_CASES, *BLIP_CASES])
    parser.add_argument("directory", type=Path)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--device", default="cpu", help="where the numbers are drawn: a GPU is faster at it")
    arguments = parser.parse_args()
    make = make_clip if arguments.case in CLIP_CASES else make_blip
    make(arguments.case, arguments.directory, arguments.small, arguments.device)


if __name__ == "__main__":
    main()
