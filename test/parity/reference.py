"""What transformers says: makes a full-size checkpoint with random weights and writes its outputs as JSON.

    python reference.py <case> <checkpoint directory> <pictures...>

Prints one JSON object: for CLIP and SigLIP the float32 embeddings of pictures, in another size too, and of texts; for
BLIP the token ids of greedy captions.
"""

import json
import sys
from pathlib import Path

import torch
from checkpoints import CLIP_CASES, SIGLIP_CASES, make_blip, make_clip, make_siglip
from PIL import Image, ImageOps

TEXTS = [
    "a photo of a cat",
    "a large red circle above a small blue square on a grey background",
    "",
    "two dogs, one cat & 3 birds!",
    "a " * 200,
]
OTHER_IMAGE_SIZE = 336
SQUARE = {"height": OTHER_IMAGE_SIZE, "width": OTHER_IMAGE_SIZE}
PROMPTS = [None, "a picture of", "a large red"]


def pictures(paths: list[str]) -> list[Image.Image]:
    return [ImageOps.exif_transpose(Image.open(path)).convert("RGB") for path in paths]


def interpolated(model, processor, paths: list[str], size: dict) -> dict:
    pixel_values = processor(images=pictures(paths), return_tensors="pt", **size)["pixel_values"]
    images = model.get_image_features(pixel_values=pixel_values, interpolate_pos_encoding=True).pooler_output
    return {"imageSize": OTHER_IMAGE_SIZE, "images": images.tolist()}


def clip(case: str, directory: Path, paths: list[str]) -> dict:
    model, processor, tokenizer = make_clip(case, directory)
    with torch.inference_mode():
        pixel_values = processor(images=pictures(paths), return_tensors="pt")["pixel_values"]
        images = model.get_image_features(pixel_values=pixel_values).pooler_output
        others = interpolated(model, processor, paths, {"size": {"shortest_edge": OTHER_IMAGE_SIZE}, "crop_size": SQUARE})
        texts = []
        for text in TEXTS:
            ids = tokenizer(text, truncation=True, max_length=77, return_tensors="pt")["input_ids"]
            texts.append(model.get_text_features(input_ids=ids).pooler_output[0].tolist())
    return {"images": images.tolist(), "interpolated": others, "texts": texts, "textInputs": TEXTS}


def siglip(case: str, directory: Path, paths: list[str]) -> dict:
    model, processor, tokenizer = make_siglip(case, directory)
    with torch.inference_mode():
        pixel_values = processor(images=pictures(paths), return_tensors="pt")["pixel_values"]
        rows = tokenizer(TEXTS, padding="max_length", max_length=64, truncation=True, return_tensors="pt")
        return {
            "images": model.get_image_features(pixel_values=pixel_values).pooler_output.tolist(),
            "interpolated": interpolated(model, processor, paths, {"size": SQUARE}),
            "texts": model.get_text_features(**rows).pooler_output.tolist(),
            "textInputs": TEXTS,
        }


def blip(case: str, directory: Path, paths: list[str]) -> dict:
    model, processor, tokenizer = make_blip(case, directory)
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
    run = clip if case in CLIP_CASES else siglip if case in SIGLIP_CASES else blip
    print(json.dumps(run(case, target, paths)))


if __name__ == "__main__":
    main()
