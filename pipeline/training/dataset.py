"""The processed data as scaled float32 tensors on a device."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pipeline.errors import InputError
from pipeline.training.memory import free_bytes

CHUNK_ROWS = 16384
LARGE_VOCABULARY = 64


@dataclass(frozen=True)
class Part:
    """Scaled inputs, and labels (int64, (n,)) or standardised targets (float32, (n, 1)).

    Of a text both are tokens, (n, context), uint8 or int32: the targets follow the inputs.
    """

    x: Tensor
    y: Tensor

    def __len__(self) -> int:
        return len(self.x)

    @property
    def predicted(self) -> int:
        """How many things are predicted for each example: 1, or each token of a window."""
        return self.y[0].numel()

    @property
    def burden(self) -> int:
        """How many times the memory of a single prediction an example's outputs take, roughly:
        of a text by its tokens, and much more where a byte does not hold their kinds."""
        return self.predicted * (LARGE_VOCABULARY if self.y.dtype == torch.int32 else 1)


@dataclass(frozen=True)
class Dataset:
    """What a training sees; ``outputs`` is the number of classes or of tokens, or 1 for regression,
    whose targets times ``target_sd`` have their own unit."""

    task: str
    outputs: int
    train: Part
    val: Part
    test: Part
    target_sd: float = 1.0

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one input."""
        return tuple(self.train.x.shape[1:])


def scaled(x: Tensor, offset: list[float], scale: list[float]) -> Tensor:
    """``(x - offset) * scale`` per feature (dimension 1), computed in float64, as float32; float32
    inputs that nothing changes are not copied.

    x: (n, features) or (n, channels, height, width), any dtype; chunks bound the memory.

    Raises InputError where the scaled inputs do not fit in the device's free memory.
    """
    if x.dtype == torch.float32 and not any(offset) and all(number == 1 for number in scale):
        return x
    needed, free = 4 * x.numel(), free_bytes(x.device)
    if needed > free:
        raise InputError(
            f"data: scaled inputs take {needed / 2**30:.1f} GiB of memory and {free / 2**30:.1f} "
            "are free; float32 arrays with scaling=none stay in their file"
        )
    shape = (1, -1, *[1] * (x.ndim - 2))
    offsets = torch.tensor(offset, dtype=torch.float64, device=x.device).view(shape)
    scales = torch.tensor(scale, dtype=torch.float64, device=x.device).view(shape)
    out = torch.empty(x.shape, dtype=torch.float32, device=x.device)
    for start in range(0, len(x), CHUNK_ROWS):
        rows = slice(start, start + CHUNK_ROWS)
        out[rows] = (x[rows].double() - offsets) * scales
    return out


def load(folder: Path, scaling: str, device: torch.device) -> Dataset:
    """Read a processed folder onto ``device`` under one scaling; a text has none, and on a CPU is
    read from the file where it is used."""
    from safetensors.torch import load_file

    summary = json.loads((folder / "summary.json").read_text())
    numbers = json.loads((folder / "scaling.json").read_text())
    arrays = load_file(folder / "examples.safetensors", device=str(device))

    def part(name: str) -> Part:
        x, y = arrays[f"{name}_x"], arrays[f"{name}_y"]
        if summary["task"] == "language":
            return Part(x, y)
        inputs = scaled(x, numbers[scaling]["offset"], numbers[scaling]["scale"])
        return Part(inputs, _target(y, summary))

    return Dataset(
        summary["task"],
        summary["outputs"],
        part("train"),
        part("val"),
        part("test"),
        summary["target_sd"] or 1.0,
    )


def _target(y: Tensor, summary: dict[str, Any]) -> Tensor:
    if summary["task"] == "classification":
        return y
    return ((y - summary["target_mean"]) / summary["target_sd"]).float()[:, None]
