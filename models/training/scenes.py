"""Drawn scenes with exactly one right caption each.

A scene is a handful of coloured shapes on a plain background. `describe` reads the caption off the geometry, and `sample`
only makes scenes that keep clear of every threshold `describe` uses, so no scene has two defensible captions.

The order of mention is fixed: the larger thing first, and of two things of equal size the upper one, or the left one.

Run as a script it renders the training set into a directory (`images.npy`, `scenes.json`), several processes at a time:

    python scenes.py --out DIR --count 100000
"""

import argparse
import hashlib
import io
import json
import math
import multiprocessing
import random
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

SIDE = 96  # what both models look at

COLOURS = {
    "red": (214, 36, 40),
    "yellow": (246, 210, 44),
    "green": (38, 150, 62),
    "blue": (38, 78, 208),
    "purple": (128, 48, 172),
    "pink": (250, 142, 190),
    "brown": (124, 74, 36),
    "turquoise": (52, 206, 200),
    "black": (20, 20, 22),
    "white": (244, 244, 244),
}
GREY = (130, 130, 130)
BACKGROUNDS = ("white", "grey", "black", "blue", "green", "yellow")
SIZES = {"small": (0.078, 0.092), "large": (0.150, 0.182)}  # radius, as a share of the side: a factor 1.6 lies between
NUMBERS = {2: "two", 3: "three"}


@dataclass(frozen=True)
class Thing:
    size: str
    colour: str
    shape: str
    x: float
    y: float
    radius: float
    angle: float
    mirrored: bool = False

    @property
    def kind(self):
        return (self.size, self.colour, self.shape)


@dataclass(frozen=True)
class Scene:
    things: tuple
    background: str
    look: int  # seeds what the caption does not mention: shades, gradient, noise


# ---------------------------------------------------------------------------------------------------------------- shapes


def _arc(radius, start, stop, steps, cx=0.0, cy=0.0):
    angles = np.linspace(math.radians(start), math.radians(stop), steps)
    return [(cx + radius * math.cos(a), cy + radius * math.sin(a)) for a in angles]


def _star():
    points = []
    for i in range(10):
        radius = 1.12 if i % 2 == 0 else 0.47
        angle = math.radians(-90 + 36 * i)
        points.append((radius * math.cos(angle), radius * math.sin(angle) + 0.06))
    return points


def _heart():
    points = []
    for t in np.linspace(0, 2 * math.pi, 60, endpoint=False):
        x = 16 * math.sin(t) ** 3
        y = 13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t)
        points.append((x / 16.5, -(y + 2.5) / 15.5))
    return points


def _moon():
    # The outer circle's long arc, then back along a second circle that bites into it from the right.
    outer = _arc(1.05, 50, 310, 50)
    (x1, y1), (x0, y0) = outer[0], outer[-1]
    cx = 0.50
    radius = math.hypot(x0 - cx, y0)
    inner = _arc(radius, math.degrees(math.atan2(y0, x0 - cx)) % 360, math.degrees(math.atan2(y1, x1 - cx)) % 360, 40, cx)
    return [(x + 0.22, y) for x, y in outer + inner]


def _cross():
    a, b = 1.0, 0.34
    return [(-b, -a), (b, -a), (b, -b), (a, -b), (a, b), (b, b), (b, a), (-b, a), (-b, b), (-a, b), (-a, -b), (-b, -b)]


# Outlines in a circle of about radius 1, y downwards.
SHAPES = {
    "circle": _arc(0.95, 0, 360, 60),
    "square": [(-0.84, -0.84), (0.84, -0.84), (0.84, 0.84), (-0.84, 0.84)],
    "triangle": [(0.0, -1.02), (1.02, 0.78), (-1.02, 0.78)],
    "star": _star(),
    "ring": _arc(1.0, 0, 360, 60),
    "cross": _cross(),
    "heart": _heart(),
    "diamond": [(0.0, -1.15), (0.74, 0.0), (0.0, 1.15), (-0.74, 0.0)],
    "moon": _moon(),
}
HOLES = {"ring": _arc(0.52, 0, 360, 60)}
PLURALS = {name: name + ("es" if name == "cross" else "s") for name in SHAPES}


# ------------------------------------------------------------------------------------------------------------- the grammar


def _one(thing):
    return f"a {thing.size} {thing.colour} {thing.shape}"


def _many(number, thing):
    return f"{NUMBERS[number]} {thing.size} {thing.colour} {PLURALS[thing.shape]}"


def _relation(first, second):
    if abs(first.x - second.x) < abs(first.y - second.y):
        return "above" if first.y < second.y else "below"
    return "to the left of" if first.x < second.x else "to the right of"


def describe(scene):
    """The one right caption."""
    things = scene.things
    where = f"on a {scene.background} background"
    kinds = {thing.kind for thing in things}
    if len(things) == 1:
        thing = things[0]
        if abs(thing.x - 0.5) > 0.18 and abs(thing.y - 0.5) > 0.18:
            corner = ("top" if thing.y < 0.5 else "bottom") + (" left" if thing.x < 0.5 else " right")
            return f"{_one(thing)} in the {corner} corner of a {scene.background} background"
        return f"{_one(thing)} {where}"
    if len(kinds) == 1:
        return f"{_many(len(things), things[0])} {where}"
    if len(things) == 3:
        middle = next(thing for thing in things if sum(other.kind == thing.kind for other in things) == 1)
        other = next(thing for thing in things if thing is not middle)
        return f"{_one(middle)} between {_many(2, other)} {where}"
    first, second = sorted(things, key=lambda thing: (thing.size != "large", thing.x + thing.y))
    return f"{_one(first)} {_relation(first, second)} {_one(second)} {where}"


def mirror(scene):
    """The scene as it is in a mirror: the caption of a flipped picture is the caption of the flipped scene."""
    things = tuple(replace(t, x=1 - t.x, angle=-t.angle, mirrored=not t.mirrored) for t in scene.things)
    return replace(scene, things=things)


def held_out(scene):
    """Whether this combination of attributes is kept from training: one in eight, and always together with its mirror image."""
    key = min(describe(scene), describe(mirror(scene)))
    return hashlib.sha256(key.encode()).digest()[0] < 32


# --------------------------------------------------------------------------------------------------------------- sampling


def _thing(rng, background, x=0.0, y=0.0, size=None):
    size = size or rng.choice(list(SIZES))
    colour = rng.choice([name for name in COLOURS if name != background])
    return Thing(
        size=size,
        colour=colour,
        shape=rng.choice(list(SHAPES)),
        x=x,
        y=y,
        radius=rng.uniform(*SIZES[size]),
        angle=rng.uniform(-10, 10),
        mirrored=rng.random() < 0.5,
    )


def _varied(rng, thing):
    return replace(thing, radius=rng.uniform(*SIZES[thing.size]), angle=rng.uniform(-10, 10))


def _scattered(rng, things, clear):
    """Random places in the picture, no two things closer than `clear` to touching."""
    while True:
        placed = []
        for thing in things:
            edge = thing.radius * 1.1 + 0.03
            placed.append(replace(thing, x=rng.uniform(edge, 1 - edge), y=rng.uniform(edge, 1 - edge)))
        pairs = [(a, b) for i, a in enumerate(placed) for b in placed[i + 1 :]]
        if all(math.hypot(a.x - b.x, a.y - b.y) > 1.1 * (a.radius + b.radius) + clear for a, b in pairs):
            return tuple(placed)


def _single(rng, background):
    return (_thing(rng, background, rng.uniform(0.39, 0.61), rng.uniform(0.39, 0.61)),)


def _corner(rng, background):
    thing = _thing(rng, background)
    near, far = thing.radius * 1.1 + 0.03, 0.26
    x, y = rng.uniform(near, far), rng.uniform(near, far)
    return (replace(thing, x=rng.choice((x, 1 - x)), y=rng.choice((y, 1 - y))),)


def _alike(rng, background):
    thing = _thing(rng, background)
    return _scattered(rng, [_varied(rng, thing) for _ in range(rng.choice((2, 3)))], 0.05)


def _pair(rng, background):
    while True:
        first, second = _thing(rng, background), _thing(rng, background)
        if first.kind != second.kind:
            break
    while True:
        a, b = _scattered(rng, (first, second), 0.05)
        across, down = abs(a.x - b.x), abs(a.y - b.y)
        if max(across, down) > 0.30 and min(across, down) < 0.14:
            return (a, b)


def _between(rng, background):
    while True:
        middle, outer = _thing(rng, background), _thing(rng, background)
        # Three large things in a row do not fit; and a middle of the same colour and shape would read as "three".
        if (middle.size, outer.size) != ("large", "large") and middle.kind[1:] != outer.kind[1:]:
            break
    ends = []
    for sign in (-1, 1):
        end = _varied(rng, outer)
        edge = end.radius * 1.1 + 0.03
        nearest = 0.045 + 1.1 * (middle.radius + end.radius)
        ends.append((end, sign * rng.uniform(nearest, max(nearest, 0.5 - edge))))
    upright = rng.random() < 0.5
    row = [(middle, 0.0), *ends]
    placed = []
    for thing, along in row:
        along, across = 0.5 + along, 0.5 + rng.uniform(-0.05, 0.05)
        placed.append(replace(thing, x=across, y=along) if upright else replace(thing, x=along, y=across))
    return tuple(placed)


FAMILIES = {_single: 18, _corner: 15, _alike: 17, _pair: 33, _between: 17}


def sample(rng, test=False, family=None):
    """A scene of the training split, or of the held-out one."""
    while True:
        background = rng.choice(BACKGROUNDS)
        make = family or rng.choices(list(FAMILIES), list(FAMILIES.values()))[0]
        scene = Scene(make(rng, background), background, rng.getrandbits(32))
        if held_out(scene) == test:
            return scene


# -------------------------------------------------------------------------------------------------------------- rendering


def _shade(rng, name, jitter):
    base = GREY if name == "grey" else COLOURS[name]
    return tuple(min(255, max(0, round(channel + rng.uniform(-jitter, jitter)))) for channel in base)


def render(scene, width, height, noise=True, supersample=2):
    """The scene in the centre square of a picture of this size; drawn larger and scaled down, so that edges are smooth."""
    rng = random.Random(scene.look)
    w, h = width * supersample, height * supersample
    # Four slightly different corners, interpolated: a plain wall in uneven light.
    shade = _shade(rng, scene.background, 6)
    corners = Image.new("RGB", (2, 2))
    corners.putdata([tuple(min(255, max(0, channel + drift)) for channel in shade) for drift in rng.choices(range(-9, 10), k=4)])
    canvas = corners.resize((w, h), Image.Resampling.BILINEAR)
    side, left, top = min(w, h), (w - min(w, h)) / 2, (h - min(w, h)) / 2
    for thing in scene.things:
        cos, sin = math.cos(math.radians(thing.angle)), math.sin(math.radians(thing.angle))
        mask = Image.new("L", (w, h))
        draw = ImageDraw.Draw(mask)
        for outlines, fill in ((SHAPES, 255), (HOLES, 0)):
            points = []
            for px, py in outlines.get(thing.shape, ()):
                px = -px if thing.mirrored else px
                x = thing.x + thing.radius * (px * cos - py * sin)
                y = thing.y + thing.radius * (px * sin + py * cos)
                points.append((left + side * x, top + side * y))
            if points:
                draw.polygon(points, fill=fill)
        canvas.paste(_shade(rng, thing.colour, 10), mask=mask)
    picture = canvas.resize((width, height), Image.Resampling.LANCZOS)
    strength = rng.choice((0.0, 1.0, 2.5, 4.0))
    if noise and strength:
        grain = np.random.default_rng(scene.look).normal(0, strength, (height, width, 1))
        picture = Image.fromarray(np.clip(np.asarray(picture) + grain, 0, 255).astype(np.uint8))
    return picture


# ------------------------------------------------------------------------------------------------------- the training set


def _plan(rng):
    """A scene of the training split and the size it is first drawn at: some other size than the models', not always square."""
    scene = sample(rng)
    side = rng.choice((128, 128, 144, 160, 192))
    corner = len(scene.things) == 1 and " corner " in describe(scene)
    if rng.random() < 0.3 and not corner:
        long = round(side * rng.uniform(1.0, 1.5))
        return scene, rng.choice(((long, side), (side, long)))
    return scene, (side, side)


def _training_picture(rng, scene, size):
    """The scene as a model meets it: sometimes through JPEG, then squeezed into the model's square."""
    picture = render(scene, *size)
    if rng.random() < 0.3:
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=rng.randint(60, 95))
        picture = Image.open(buffer)
    return np.asarray(picture.resize((SIDE, SIDE), Image.Resampling.BICUBIC))


def _places(scene, width, height):
    """Where in the model's square each thing lies: centre and radii in pixels, and the indices of its attributes."""
    side = min(width, height)
    rows = []
    for t in scene.things:
        x, y = (width / 2 + side * (t.x - 0.5)) / width, (height / 2 + side * (t.y - 0.5)) / height
        where = [round(SIDE * v, 1) for v in (x, y, side * t.radius / width, side * t.radius / height)]
        rows.append(where + [list(COLOURS).index(t.colour), list(SHAPES).index(t.shape), list(SIZES).index(t.size)])
    return rows


def _labels(scene, size):
    return {
        "caption": describe(scene),
        "mirrored": describe(mirror(scene)),
        "colours": sorted({thing.colour for thing in scene.things}),
        "shapes": sorted({thing.shape for thing in scene.things}),
        "kinds": sorted({f"{thing.colour} {thing.shape}" for thing in scene.things}),
        "sizes": sorted({thing.size for thing in scene.things}),
        "background": scene.background,
        "places": _places(scene, *size),
    }


def _render_part(job):
    path, seed, start, stop = job
    images = np.lib.format.open_memmap(path, mode="r+")
    labels = []
    for index in range(start, stop):
        rng = random.Random(seed * 10_000_000 + index)
        scene, size = _plan(rng)
        images[index] = _training_picture(rng, scene, size)
        labels.append(_labels(scene, size))
    return labels


def default_cache():
    return Path(tempfile.gettempdir()) / "clip-blip-scenes"


def main():
    parser = argparse.ArgumentParser(description="Render the training set.")
    parser.add_argument("--out", type=Path, default=default_cache())
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / "images.npy"
    np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=(options.count, SIDE, SIDE, 3)).flush()
    step = 1000
    jobs = [(path, options.seed, i, min(i + step, options.count)) for i in range(0, options.count, step)]
    labels = []
    with multiprocessing.Pool(options.workers) as pool:
        for part in pool.imap(_render_part, jobs):
            labels += part
    (options.out / "scenes.json").write_text(json.dumps(labels))
    print(f"{len(labels)} scenes, {len({label['caption'] for label in labels})} different captions, in {options.out}")


if __name__ == "__main__":
    main()
