"""Measures the committed checkpoints with transformers on the held-out sheets: the figures of the model cards.

Image processing is Pillow's, decoding is greedy, weights are loaded as float32 and once more as bfloat16.
"""

import argparse
import json
import time
from pathlib import Path

import torch
from PIL import Image, ImageOps
from transformers import AutoTokenizer, BlipForConditionalGeneration, CLIPModel
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

ROOT = Path(__file__).resolve().parent.parent.parent


def tiles(path):
    about = json.loads(path.with_suffix(".json").read_text())
    sheet, side = Image.open(path).convert("RGB"), about["tile"]
    for index, scene in enumerate(about["scenes"]):
        x, y = index % about["columns"] * side, index // about["columns"] * side
        scene["picture"] = sheet.crop((x, y, x + side, y + side))
    return about


def captions(model, tokenizer, processor, pictures, prompt=None, batch=50):
    texts = []
    for start in range(0, len(pictures), batch):
        pixels = processor(pictures[start : start + batch], return_tensors="pt").pixel_values.to(model.dtype)
        ids = tokenizer([prompt] * len(pixels), return_tensors="pt").input_ids if prompt else None
        # The decoder inside has its own defaults, so the length that generation_config.json asks for is passed on.
        words = model.generate(pixel_values=pixels, input_ids=ids, max_length=model.generation_config.max_length)
        texts += tokenizer.batch_decode(words, skip_special_tokens=True)
    return texts


def share(got, wanted, show=0):
    wrong = [(g, w) for g, w in zip(got, wanted) if g != w]
    for g, w in wrong[:show]:
        print(f"      wanted: {w}\n      got:    {g}")
    return f"{100 * (1 - len(wrong) / len(wanted)):.2f} % ({len(wanted) - len(wrong)} of {len(wanted)})"


@torch.no_grad()
def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=ROOT, help="the repository")
    parser.add_argument("--blip", type=Path)
    parser.add_argument("--clip", type=Path)
    parser.add_argument("--show", type=int, default=5, help="how many mistakes to print")
    options = parser.parse_args()
    blip = options.blip or options.root / "models" / "demo-blip"
    clip = options.clip or options.root / "models" / "demo-clip"
    fixtures = options.root / "test" / "fixtures"
    scenes, singles = tiles(fixtures / "scenes.png"), tiles(fixtures / "zeroshot.png")
    folder = options.root / "models" / "demo-pictures"
    demo = json.loads((folder / "captions.json").read_text())
    files = [ImageOps.exif_transpose(Image.open(folder / name)).convert("RGB") for name in demo]

    if blip.joinpath("config.json").exists():
        tokenizer, processor = AutoTokenizer.from_pretrained(blip), BlipImageProcessorPil.from_pretrained(blip)
        pictures, wanted = [s["picture"] for s in scenes["scenes"]], [s["caption"] for s in scenes["scenes"]]
        for dtype in (torch.float32, torch.bfloat16):
            model = BlipForConditionalGeneration.from_pretrained(blip, dtype=dtype).eval()
            print(f"BLIP, {dtype}, {sum(p.numel() for p in model.parameters()):,} parameters")
            began = time.time()
            print("  captions:         ", share(captions(model, tokenizer, processor, pictures), wanted, options.show))
            print(f"    in {time.time() - began:.1f} s")
            prompt = scenes["prompt"]
            got = captions(model, tokenizer, processor, pictures, prompt)
            print("  after the prompt: ", share(got, [f"{prompt} {caption}" for caption in wanted], options.show))
            # The first words of the right caption as the prompt: it must be gone on with.
            halves = [" ".join(caption.split()[:4]) for caption in wanted]
            got = [captions(model, tokenizer, processor, [p], half)[0] for p, half in zip(pictures[:100], halves)]
            print("  continued:        ", share(got, wanted[:100], options.show))
            print("  demo pictures:    ", share(captions(model, tokenizer, processor, files), list(demo.values()), 20))
            got = captions(model, tokenizer, processor, [s["picture"] for s in singles["scenes"]])
            print("  zero-shot sheet:  ", share(got, [s["caption"] for s in singles["scenes"]], options.show))

    if clip.joinpath("config.json").exists():
        tokenizer, processor = AutoTokenizer.from_pretrained(clip), CLIPImageProcessorPil.from_pretrained(clip)

        def texts(model, lines):
            vectors = model.get_text_features(**tokenizer(lines, padding=True, return_tensors="pt")).pooler_output
            return torch.nn.functional.normalize(vectors.float(), dim=-1)

        def images(model, pictures):
            pixels = processor(pictures, return_tensors="pt").pixel_values.to(model.dtype)
            vectors = model.get_image_features(pixel_values=pixels).pooler_output
            return torch.nn.functional.normalize(vectors.float(), dim=-1)

        for dtype in (torch.float32, torch.bfloat16):
            model = CLIPModel.from_pretrained(clip, dtype=dtype).eval()
            count = sum(p.numel() for p in model.parameters())
            print(f"CLIP, {dtype}, {count:,} parameters, scale {model.logit_scale.exp():.1f}")
            vectors = images(model, [s["picture"] for s in singles["scenes"]])
            for field, name in (("colour", "colours"), ("shape", "shapes"), ("background", "backgrounds")):
                question = singles[name]
                for template in (question["template"], "a picture of " + question["template"], "{}"):
                    lines = [template.format(candidate) for candidate in question["candidates"]]
                    best = (vectors @ texts(model, lines).T).argmax(1)
                    got = [question["candidates"][i] for i in best]
                    print(f"  {field} by {template!r}:", share(got, [s[field] for s in singles["scenes"]]))
            # The right one among all captions of the sheet, and the other way round.
            lines = [s["caption"] for s in scenes["scenes"]]
            scores = images(model, [s["picture"] for s in scenes["scenes"]]) @ texts(model, lines).T
            right = list(range(len(lines)))
            print("  caption of a picture:", share(scores.argmax(1).tolist(), right))
            print("  picture of a caption:", share(scores.argmax(0).tolist(), right))
            scores = images(model, files) @ texts(model, list(demo.values())).T
            print("  demo pictures:       ", share(scores.argmax(1).tolist(), list(range(len(demo)))))


if __name__ == "__main__":
    main()
