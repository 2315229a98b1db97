"""What both trainings share: the training set, cheap augmentation, the optimiser and its schedule, and saving."""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from scenes import COLOURS, GREY, SHAPES, SIDE, SIZES, default_cache
from transformers.image_utils import OPENAI_CLIP_MEAN, OPENAI_CLIP_STD

MODELS = Path(__file__).resolve().parent.parent


def parser_for(description, out, steps, batch):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--data", type=Path, default=default_cache(), help="what scenes.py rendered")
    parser.add_argument("--out", type=Path, default=MODELS / out)
    parser.add_argument("--steps", type=int, default=steps)
    parser.add_argument("--batch", type=int, default=batch)
    parser.add_argument("--rate", type=float, default=1.5e-3, help="peak learning rate")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--resume", action="store_true", help="go on from the state that the last run left in --data")
    return parser


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
        dx, dy = self.random.integers(-3, 4, size=2)
        down = np.clip(np.arange(SIDE) + dy, 0, SIDE - 1)
        across = np.clip(np.arange(SIDE) + dx, 0, SIDE - 1)
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
        # A mirrored picture shows the mirrored scene, whose caption is known.
        labels = [
            {
                **self.labels[i],
                "caption": self.labels[i]["mirrored" if flipped else "caption"],
                "places": [
                    (SIDE - (place[0] - dx) if flipped else place[0] - dx, place[1] - dy, *place[2:])
                    for place in self.labels[i]["places"]
                ],
            }
            for i in chosen
        ]
        return images, labels


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


class Pointing(torch.nn.Module):
    """A helper for training that is thrown away: each patch is to know which thing lies on it, and its outline there.

    Captions alone teach a small image tower colours soon, and shapes and places late: what a shape is must be found out
    for every pair of colours. With this it takes minutes.
    """

    COUNTS = (len(COLOURS) + 1, len(SHAPES) + 1, len(SIZES) + 1)  # the last class of each: nothing here

    def __init__(self, width, patch):
        super().__init__()
        self.patch = patch
        self.head = torch.nn.Linear(width, sum(self.COUNTS))
        self.outline = torch.nn.Linear(width, (patch // 2) ** 2)
        paint = torch.tensor([*COLOURS.values(), GREY]) / 255
        self.paint = (paint - torch.tensor(OPENAI_CLIP_MEAN)) / torch.tensor(OPENAI_CLIP_STD)
        self.names = [*COLOURS, "grey"]

    @staticmethod
    def nearest(places, step):
        """For each cell of a grid: the thing whose centre is nearest, in units of its radius, and that distance squared."""
        x, y, rx, ry = places[:, :, :4, None, None].unbind(2)
        centres = torch.arange(step / 2, SIDE, step)
        return (((centres - x) / rx) ** 2 + ((centres[:, None] - y) / ry) ** 2).min(1)

    @classmethod
    def things(cls, labels):
        nothing = (-1e3, -1e3, 1.0, 1.0, *(count - 1 for count in cls.COUNTS))
        return torch.tensor([(label["places"] + [nothing] * 3)[:3] for label in labels])

    def busiest(self, labels, count):
        """The indices of the patches on and next to things: most of a scene is background, and costs as much to look at."""
        x, y, rx, ry = self.things(labels)[:, :, :4, None, None].unbind(2)
        centres = torch.arange(self.patch / 2, SIDE, self.patch)
        away = ((centres - x).square() + (centres[:, None] - y).square()).sqrt() - torch.maximum(rx, ry)
        return away.amin(1).flatten(1).topk(count, largest=False).indices.sort().values

    def forward(self, states, images, labels, chosen=None):
        """The loss on the states of all patches, or the chosen ones, without the class token."""
        places = self.things(labels)
        distance, thing = (grid.flatten(1) for grid in self.nearest(places, self.patch))
        if chosen is not None:
            distance, thing = distance.gather(1, chosen), thing.gather(1, chosen)
        loss = 0.0
        for index, logits in enumerate(self.head(states).float().split(self.COUNTS, -1)):
            attribute = places[..., 4 + index].long().gather(1, thing)
            attribute = torch.where(distance < 1.4, attribute, self.COUNTS[index] - 1)
            weight = torch.ones(self.COUNTS[index])
            weight[-1] = 0.2  # most patches show nothing
            loss = loss + F.cross_entropy(logits.flatten(0, 1), attribute.flatten(), weight)

        # The outline at half the resolution: near a thing, whatever is nearer to its colour than to the background's.
        small = F.avg_pool2d(images, 2).movedim(1, -1)
        distance, thing = self.nearest(places, 2)
        colours = places[..., 4].long().gather(1, thing.flatten(1)).view(thing.shape).clamp(max=len(COLOURS) - 1)
        ground = self.paint[[self.names.index(label["background"]) for label in labels]][:, None, None]
        inside = (small - self.paint[colours]).square().sum(-1) < (small - ground).square().sum(-1)
        covered = ((distance < 1.5) & inside).float()
        target = F.unfold(covered[:, None], self.patch // 2, stride=self.patch // 2).transpose(1, 2)
        if chosen is not None:
            target = target.gather(1, chosen[..., None].expand(-1, -1, target.shape[-1]))
        return loss + 3 * F.binary_cross_entropy_with_logits(self.outline(states).float(), target)


@torch.no_grad()
def attend_to_the_like(width, heads):
    """First weights of an attention layer (queries, keys, values, output) by which a patch attends to patches like it.

    After Trockman and Kolter, "Mimetic Initialization of Self-Attention Layers" (2023). A small tower then has not first
    to find out that the patches of one thing belong together.
    """

    def factors(like, rank):
        u, s, v = torch.linalg.svd(0.7 * torch.randn(width, width) / width**0.5 + like * torch.eye(width))
        return s[:rank].sqrt()[:, None] * u.T[:rank], s[:rank].sqrt()[:, None] * v[:rank]

    queries, keys = zip(*(factors(0.7, width // heads) for _ in range(heads)))
    outputs, values = factors(-0.4, width)
    return torch.cat(queries), torch.cat(keys), values, outputs.T


def rate_at(step, steps):
    """Share of the peak learning rate: warm up, stay, and fall to zero over the last third."""
    warmup, fall = min(200, steps // 10), steps // 3
    return min((step + 1) / warmup, 1.0, (steps - step) / fall)


def train(loss_of, options):
    """AdamW with the forward pass in bfloat16. The state is kept beside the data, for `--resume`."""
    state = options.data / f"{options.out.name}.pt"
    adamw = optimiser(loss_of, options.rate)
    done = 0
    if options.resume:
        kept = torch.load(state)
        loss_of.load_state_dict(kept["weights"])
        adamw.load_state_dict(kept["adamw"])
        done = loss_of.step = kept["done"]
    began = time.time()
    running = None
    scenes = Scenes(options.data, options.batch, options.seed + done)
    for step, (images, labels) in zip(range(done, options.steps), scenes):
        for group in adamw.param_groups:
            group["lr"] = options.rate * rate_at(step, options.steps)
        with torch.autocast("cpu", torch.bfloat16):
            loss, shown, helper = loss_of(images, labels)
        adamw.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(loss_of.parameters(), 1.0)
        adamw.step()
        now = torch.tensor([shown, helper])
        running = now if running is None else 0.98 * running + 0.02 * now
        if (step + 1) % 100 == 0:
            seconds = time.time() - began
            pace = (step + 1 - done) * options.batch / seconds
            losses = f"loss {running[0]:.4f}  helper {running[1]:.3f}"
            print(f"step {step + 1}/{options.steps}  {losses}  {pace:.0f} scenes/s  {seconds:.0f} s", flush=True)
        if (step + 1) % 250 == 0:
            torch.save({"weights": loss_of.state_dict(), "adamw": adamw.state_dict(), "done": step + 1}, state)


def write_json(path, value):
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def save(model, tokenizer, out):
    """Weights in float16, and the tokenizer in both forms that published checkpoints carry."""
    out.mkdir(parents=True, exist_ok=True)
    model.half().save_pretrained(out)
    (out / "model.safetensors").chmod(0o644)  # safetensors writes it for the owner alone
    tokenizer.save_pretrained(out)
    special = {name: value for name, value in tokenizer.special_tokens_map.items()}
    write_json(out / "special_tokens_map.json", special)
