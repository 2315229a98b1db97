"""The image tower of a CLIP checkpoint as ONNX, laid out as transformers.js wants it.

    python export_onnx.py <checkpoint directory>

Writes onnx/vision_model.onnx into the checkpoint: float32, pixel_values [batch, 3, S, S] -> image_embeds [batch, D].
"""

import sys
from pathlib import Path

import torch
from transformers import CLIPVisionModelWithProjection


class ImageTower(torch.nn.Module):
    def __init__(self, model: CLIPVisionModelWithProjection) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
        return self.model(pixel_values=pixel_values).image_embeds


def main() -> None:
    checkpoint = Path(sys.argv[1])
    model = CLIPVisionModelWithProjection.from_pretrained(checkpoint, dtype=torch.float32).eval()
    target = checkpoint / "onnx" / "vision_model.onnx"
    target.parent.mkdir(exist_ok=True)
    side = model.config.image_size
    torch.onnx.export(
        ImageTower(model),
        (torch.randn(2, 3, side, side),),
        str(target),
        input_names=["pixel_values"],
        output_names=["image_embeds"],
        dynamic_axes={"pixel_values": {0: "batch"}, "image_embeds": {0: "batch"}},
        dynamo=False,
    )


if __name__ == "__main__":
    main()
