"""What both trainings share: the training set, cheap augmentation, the optimiser and its schedule, and saving."""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from scenes import SIDE, default_cache
from transformers.image_utils import OPENAI_CLIP_MEAN, OPENAI_CLIP_STD

MODELS = Path(__file__).resolve().parent.parent


def arguments(description, out, steps, batch):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--data", type=Path, default=default_cache(), help="what scenes.py rendered")
    parser.add_argument("--out", type=Path, default=MODELS / out)
    parser.add_argument("--steps", type=int, default=steps)
    parser.add_argument("--batch", type=int, default=batch)
    parser.add_argument("--rate", type=float, default=1e-3, help="peak learning rate")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--resume", action="store_true", help="go on from the state that the last run left in --data")
    return parser.parse_args()


class Scenes:
    """The rendered scenes in random order for ever, each time a little different."""

    GROUP = 16  # pictures that share a flip, a shift and a piece of grain, which keeps augmentation a few slices

    def __init__(self, directory, batch, seed):
        self.images = np.load(directory / "images.npy", mmap_mode="r")
        self.labels = json.loads((directory / "scenes.json").read_text())
        self.batch = batch
        self.random = np.random.default_rng(seed)
        self.grain = torch.from_numpy(self.random.standard_normal((1, 2 * SIDE, 2 * SIDE), dtype=np.float32))
        self.mean = torch.tensor(OPENAI_CLIP_MEAN).view(3, 1, 1)
        self.std = torch.tensor(OPENAI_CLIP_STD).view(3, 1, 1)

    def __iter__(self):
        while True:
            order = self.random.permutation(len(self.labels))
            for start in range(0, len(order) - self.batch + 1, self.batch):
                groups = [
                    self._group(order[i : min(i + self.GROUP, start + self.batch)])
                    for i in range(start, start + self.batch, self.GROUP)
                ]
                images, labels = zip(*groups)
                yield torch.cat(images), [label for part in labels for label in part]

    def _group(self, chosen):
        flipped = self.random.random() < 0.5
        x, y = self.random.integers(-3, 4, size=2)
        down = np.clip(np.arange(SIDE) + y, 0, SIDE - 1)
        across = np.clip(np.arange(SIDE) + x, 0, SIDE - 1)
        images = self.images[chosen][:, down][:, :, across[::-1] if flipped else across]
        images = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous().float()
        # Exposure, and a little grain as other decoders and resizers leave it; in one step with the normalisation.
        gain, offset, strength = (
            torch.from_numpy(self.random.uniform(low, high, (len(chosen), 1, 1, 1)).astype(np.float32))
            for low, high in ((0.94, 1.06), (-0.03, 0.03), (0, 0.015))
        )
        x, y = self.random.integers(0, SIDE, size=2)
        grain = self.grain[:, y : y + SIDE, x : x + SIDE]
        images = images * (gain / 255 / self.std) + (strength / self.std * grain + (offset - self.mean) / self.std)
        labels = [self.labels[i] for i in chosen]
        # A mirrored picture shows the mirrored scene, whose caption is known.
        return images, [{**label, "caption": label["mirrored"]} if flipped else label for label in labels]


def optimiser(model, rate):
    """AdamW; weight decay on matrices only."""
    matrices = [p for p in model.parameters() if p.ndim >= 2]
    others = [p for p in model.parameters() if p.ndim < 2]
    groups = [{"params": matrices, "weight_decay": 0.05}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.98), fused=True)


def places(side, width):
    """Two-dimensional sines and cosines, to start the position embeddings of an image tower from (they are learned on).

    From random ones a small tower first learns colours and only very late where things are and what shape they have.
    """
    waves = 100 ** -(torch.arange(width // 4) / (width // 4))
    steps = torch.arange(side)[:, None] * waves
    line = torch.cat([steps.sin(), steps.cos()], 1)
    down, across = line[:, None].expand(side, side, -1), line[None].expand(side, side, -1)
    grid = torch.cat([down, across], 2).flatten(0, 1)
    return torch.cat([torch.zeros(1, width), grid])


def rate_at(step, steps):
    """Share of the peak learning rate: warm up, stay, and fall to zero over the last third."""
    warmup, fall = min(200, steps // 10), steps // 3
    return min((step + 1) / warmup, 1.0, (steps - step) / fall)


def train(model, loss_of, options):
    """AdamW with the forward pass in bfloat16. The state is kept beside the data, for `--resume`."""
    state = options.data / f"{options.out.name}.pt"
    adamw = optimiser(model, options.rate)
    done = 0
    if options.resume:
        kept = torch.load(state)
        model.load_state_dict(kept["model"])
        adamw.load_state_dict(kept["adamw"])
        done = kept["done"]
    began = time.time()
    running = None
    scenes = Scenes(options.data, options.batch, options.seed + done)
    for step, (images, labels) in zip(range(done, options.steps), scenes):
        for group in adamw.param_groups:
            group["lr"] = options.rate * rate_at(step, options.steps)
        with torch.autocast("cpu", torch.bfloat16):
            loss = loss_of(images, labels)
        adamw.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        adamw.step()
        running = loss.item() if running is None else 0.98 * running + 0.02 * loss.item()
        if (step + 1) % 100 == 0:
            seconds = time.time() - began
            pace = (step + 1 - done) * options.batch / seconds
            print(f"step {step + 1}/{options.steps}  loss {running:.4f}  {pace:.0f} scenes/s  {seconds:.0f} s", flush=True)
        if (step + 1) % 250 == 0:
            torch.save({"model": model.state_dict(), "adamw": adamw.state_dict(), "done": step + 1}, state)


def write_json(path, value):
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def save(model, tokenizer, out):
    """Weights in float16, and the tokenizer in both forms that published checkpoints carry."""
    out.mkdir(parents=True, exist_ok=True)
    model.half().save_pretrained(out)
    tokenizer.save_pretrained(out)
    special = {name: value for name, value in tokenizer.special_tokens_map.items()}
    write_json(out / "special_tokens_map.json", special)
