"""Draws what the models are tested on: held-out scenes only, as two sheets for the tests and as a user's picture files.

    python make_fixtures.py            # rewrites test/fixtures/{scenes,zeroshot}.{png,json} and models/demo-pictures
"""

import argparse
import json
import random
from pathlib import Path

from PIL import Image
from scenes import BACKGROUNDS, COLOURS, SHAPES, SIDE, _alike, _between, _corner, _pair, _single, describe, render, sample

ROOT = Path(__file__).resolve().parent.parent.parent
TILE, COLUMNS = 128, 20  # larger than the models' input, so that the tests resize


def write_json(path, head, scenes):
    """One scene a line, so that a change shows as a readable diff."""
    lines = ",\n    ".join(json.dumps(scene) for scene in scenes)
    head = json.dumps(head, indent=2)[:-2]
    path.write_text(f'{head},\n  "scenes": [\n    {lines}\n  ]\n}}\n')


def sheet(path, scenes):
    rows = -(-len(scenes) // COLUMNS)
    picture = Image.new("RGB", (COLUMNS * TILE, rows * TILE))
    for index, scene in enumerate(scenes):
        # Grain would make a lossless sheet several times larger; one tile in ten has it.
        tile = render(scene, TILE, TILE, noise=index % 10 == 0)
        picture.paste(tile, (index % COLUMNS * TILE, index // COLUMNS * TILE))
    picture.save(path, optimize=True)


def tests(folder):
    folder.mkdir(parents=True, exist_ok=True)
    rng = random.Random(2024)
    scenes, seen = [], set()
    while len(scenes) < 500:
        scene = sample(rng, test=True)
        if describe(scene) not in seen:
            seen.add(describe(scene))
            scenes.append(scene)
    sheet(folder / "scenes.png", scenes)
    head = {"tile": TILE, "columns": COLUMNS, "prompt": "a picture of"}
    write_json(folder / "scenes.json", head, [{"caption": describe(scene)} for scene in scenes])

    # Single things, every colour and every shape about equally often.
    scenes = []
    wanted = [(colour, shape) for colour in COLOURS for shape in SHAPES] * 3
    rng.shuffle(wanted)
    for colour, shape in wanted[:240]:
        for _ in range(2000):
            scene = sample(rng, test=True, family=rng.choice((_single, _corner)))
            if (scene.things[0].colour, scene.things[0].shape) == (colour, shape):
                scenes.append(scene)
                break
    sheet(folder / "zeroshot.png", scenes)
    head = {
        "tile": TILE,
        "columns": COLUMNS,
        "colours": {"template": "a {} shape", "candidates": list(COLOURS)},
        "shapes": {"template": "a {}", "candidates": list(SHAPES)},
        "backgrounds": {"template": "a {} background", "candidates": list(BACKGROUNDS)},
    }
    rows = []
    for scene in scenes:
        thing = scene.things[0]
        rows.append({"caption": describe(scene), "colour": thing.colour, "shape": thing.shape, "background": scene.background})
    write_json(folder / "zeroshot.json", head, rows)
    print(f"{len(scenes)} zero-shot tiles")


# Family, size and format of each demo picture. Corners stay in square pictures: the place is seen in the whole picture.
PICTURES = [
    (_pair, (480, 480), "jpg"),
    (_single, (480, 480), "png"),
    (_corner, (480, 480), "jpg"),
    (_between, (480, 480), "webp"),
    (_alike, (480, 480), "jpg"),
    (_pair, (640, 480), "jpg"),
    (_pair, (480, 480), "png"),
    (_single, (480, 640), "jpg"),
    (_corner, (480, 480), "webp"),
    (_pair, (480, 480), "jpg"),
    (_between, (640, 480), "jpg"),
    (_alike, (480, 480), "png"),
    (_pair, (480, 640), "jpg"),  # the one with an EXIF orientation
    (_single, (480, 480), "webp"),
    (_pair, (480, 480), "jpg"),
    (_alike, (640, 480), "jpg"),
]
SIDEWAYS = 12


def pictures(folder):
    folder.mkdir(parents=True, exist_ok=True)
    rng = random.Random(16)
    captions = {}
    for index, (family, size, form) in enumerate(PICTURES):
        scene = sample(rng, test=True, family=family)
        while describe(scene) in captions.values():
            scene = sample(rng, test=True, family=family)
        picture = render(scene, *size, noise=form != "png")
        name = f"scene-{index + 1:02}.{form}"
        options = {"jpg": {"quality": 92}, "webp": {"quality": 88}, "png": {"optimize": True}}[form]
        if index == SIDEWAYS:
            # As a camera held upright stores it: turned a quarter to the left, with the note "turn right to view".
            picture = picture.transpose(Image.Transpose.ROTATE_90)
            exif = Image.Exif()
            exif[0x0112] = 6
            options["exif"] = exif
        picture.save(folder / name, **options)
        captions[name] = describe(scene)
    (folder / "captions.json").write_text(json.dumps(captions, indent=2) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=ROOT, help="the repository")
    options = parser.parse_args()
    assert TILE > SIDE
    tests(options.root / "test" / "fixtures")
    pictures(options.root / "models" / "demo-pictures")


if __name__ == "__main__":
    main()
