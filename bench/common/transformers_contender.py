"""transformers in Python as a contender: answers one JSON line with one, as bench/common/serve.mjs does.

It is given pixels that have the model's size already, and normalises them beforehand on a CPU, where that costs it
nothing; on a GPU, where the upload is part of the call, it uploads uint8 and normalises there, as this library does.
"""

import functools
import gc
import itertools
import json
import os
import sys
import time
import traceback

import numpy as np
import torch
from PIL import Image
from transformers import BlipForConditionalGeneration, CLIPImageProcessorPil, CLIPVisionModelWithProjection, GenerationMixin

MEAN = [0.48145466, 0.4578275, 0.40821073]
STD = [0.26862954, 0.26130258, 0.27577711]

if os.environ.get("CLIP_BLIP_STANDIN"):
    # The cuDNN of the stand-in for CUDA has no attention, and what says that a caption has ended is never computed.
    torch.backends.cuda.enable_cudnn_sdp(False)
    steps = itertools.count(1)
    GenerationMixin._has_unfinished_sequences = lambda *_, **__: next(steps) % 7 > 0


class Task:
    """One prepared task: `run` once, `output` of the last run as lists of numbers."""

    def __init__(self, run, output=None, facts=None):
        self.run = run
        self.output = output
        self.facts = facts


def read_pixels(path: str, side: int, batch: int) -> torch.Tensor:
    """[batch, 3, side, side] uint8; the pictures of the file are repeated where there are too few."""
    pixels = torch.from_numpy(np.fromfile(path, np.uint8).reshape(-1, side, side, 3)).permute(0, 3, 1, 2)
    return pixels[torch.arange(batch) % len(pixels)].contiguous()


def normalised(pixels: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    shape = (1, 3, 1, 1)
    mean = torch.tensor(MEAN, device=pixels.device).view(shape)
    std = torch.tensor(STD, device=pixels.device).view(shape)
    return ((pixels.float() / 255 - mean) / std).to(dtype)


def synchronize(device: str) -> None:
    if device != "cpu":
        torch.cuda.synchronize()


def unit(vectors: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.normalize(vectors.float(), dim=-1)


@functools.lru_cache(maxsize=1)
def load(architecture, checkpoint, device: str, dtype: torch.dtype, compile=None):
    """The model of the last task is kept, as the next one may want it at another batch."""
    model = architecture.from_pretrained(checkpoint, dtype=dtype).to(device).eval()
    if compile and architecture is BlipForConditionalGeneration:
        model.vision_model.compile(mode=compile, dynamic=False)
        model.text_decoder.compile(mode=compile, dynamic=False)
    elif compile:
        model.compile(mode=compile, dynamic=False)
    return model


def pixels_to_vectors(checkpoint, pixels, side, batch, device="cpu", dtype="float32", compile=None, **_):
    dtype = getattr(torch, dtype)
    model = load(CLIPVisionModelWithProjection, checkpoint, device, dtype, compile)
    host = read_pixels(pixels, side, batch)
    prepared = normalised(host, dtype) if device == "cpu" else None

    def run():
        images = prepared if prepared is not None else normalised(host.to(device), dtype)
        return unit(model(pixel_values=images).image_embeds).cpu()

    return Task(run, lambda vectors: vectors.tolist(), facts={"torch": torch.__version__})


def files_to_vectors(checkpoint, files, device="cpu", dtype="float32", **_):
    dtype = getattr(torch, dtype)
    model = load(CLIPVisionModelWithProjection, checkpoint, device, dtype)
    processor = CLIPImageProcessorPil.from_pretrained(checkpoint)

    def run():
        images = [Image.open(file).convert("RGB") for file in files]
        values = processor(images=images, return_tensors="pt")["pixel_values"].to(device, dtype)
        return unit(model(pixel_values=values).image_embeds).cpu()

    return Task(run, lambda vectors: vectors.tolist())


def captions(checkpoint, pixels, side, batch, tokens, device="cpu", dtype="float32", compile=None, **_):
    dtype = getattr(torch, dtype)
    model = load(BlipForConditionalGeneration, checkpoint, device, dtype, compile)
    host = read_pixels(pixels, side, batch)
    prepared = normalised(host, dtype) if device == "cpu" else None

    def run():
        images = prepared if prepared is not None else normalised(host.to(device), dtype)
        return model.generate(pixel_values=images, min_length=tokens, max_length=tokens, num_beams=1, do_sample=False).cpu()

    return Task(run, lambda ids: ids.tolist())


def load_and_first_call(checkpoint, pixels, side, device="cpu", dtype="float32", **_):
    def run():
        started = time.perf_counter()
        model = CLIPVisionModelWithProjection.from_pretrained(checkpoint, dtype=getattr(torch, dtype)).to(device).eval()
        synchronize(device)
        marks = [time.perf_counter()]
        for _ in range(2):
            images = normalised(read_pixels(pixels, side, 1).to(device), model.dtype)
            unit(model(pixel_values=images).image_embeds).cpu()
            marks.append(time.perf_counter())
        load, first, second = (1000 * (end - start) for start, end in zip([started, *marks], marks))
        return {"parts": {"load": load, "first": first, "second": second}}

    return Task(run)


TASKS = {
    "pixels to vectors": pixels_to_vectors,
    "files to vectors": files_to_vectors,
    "captions": captions,
    "load and first call": load_and_first_call,
}


class Contender:
    def __init__(self):
        self.task = None
        self.last = None

    def prepare(self, task, **parameters):
        self.task = self.last = None
        gc.collect()
        if parameters.get("device", "cpu") != "cpu":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        self.task = TASKS[task](**parameters)
        return self.task.facts

    def run(self, **_):
        started = time.perf_counter()
        self.last = self.task.run()
        ms = 1000 * (time.perf_counter() - started)
        return {"ms": ms, "parts": self.last["parts"] if isinstance(self.last, dict) else None}

    def output(self, **_):
        return self.task.output(self.last)

    def memory(self, **_):
        """Bytes: the most that tensors held since the task was prepared."""
        return {"peak": torch.cuda.max_memory_allocated()}


def main() -> None:
    # What libraries print must not get between the answers.
    answers, sys.stdout = sys.stdout, sys.stderr
    contender = Contender()
    for line in sys.stdin:
        message = json.loads(line)
        identity, call = message.pop("id"), message.pop("call")
        try:
            with torch.inference_mode():
                answer = {"id": identity, "result": getattr(contender, call)(**message)}
        except Exception:
            answer = {"id": identity, "error": traceback.format_exc()}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
