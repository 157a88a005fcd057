"""The state of a training on disk, so that a killed run goes on and ends with the same bytes.

A checkpoint is named by a digest of what the training depends on, so that another
configuration, other data or other code never picks it up.
"""

import hashlib
import json
import os
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pipeline.engine.pack import Pack, Trained

INTERVAL_SECONDS = 10.0
"""The clock decides only when a checkpoint is written, never what a training computes."""

Saved = tuple[dict[str, Tensor], dict[str, list[int] | int]]


def name(pack: Pack, engine: str, micro: int) -> str:
    """The digest of a pack, how it is trained, and torch's version."""
    said = json.dumps([asdict(pack), engine, micro, torch.__version__], sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()[:24]


def from_trained(trained: Trained) -> Saved:
    """A finished training of the plain loop as a checkpoint's content."""
    groups: dict[str, dict[str, Any]] = {
        "curve": trained.curves,
        "final": trained.finals,
        "weight": trained.weights,
        "snapshot": trained.snapshots,
    }
    tensors = {
        f"{group}|{name}": torch.from_numpy(np.ascontiguousarray(array))
        for group, arrays in groups.items()
        for name, array in arrays.items()
    }
    diverged = [int(step) for step in trained.diverged_step]
    return tensors, {"steps": list(trained.steps), "diverged": diverged}


def to_trained(tensors: dict[str, Tensor], numbers: dict[str, list[int] | int]) -> Trained:
    """The reverse of ``from_trained``."""
    groups: dict[str, dict[str, Any]] = {
        "curve": {},
        "final": {},
        "weight": {},
        "snapshot": {},
    }
    for key, tensor in tensors.items():
        group, name = key.split("|", 1)
        groups[group][name] = tensor.cpu().numpy()
    steps, diverged = numbers["steps"], numbers["diverged"]
    assert isinstance(steps, list)
    assert isinstance(diverged, list)
    return Trained(
        tuple(steps),
        groups["curve"],
        groups["final"],
        np.array(diverged, dtype=np.int64),
        groups["weight"],
        groups["snapshot"],
        np.full(len(diverged), "loop"),
        np.ones(len(diverged), dtype=np.int64),
    )


@dataclass
class Checkpoint:
    """One training's file, replaced as a whole."""

    path: Path
    saved_at: float = field(default_factory=time.monotonic)

    def is_due(self, is_last: bool) -> bool:
        """Whether enough time has passed; the end of a training is always kept."""
        return is_last or time.monotonic() - self.saved_at >= INTERVAL_SECONDS

    def save(self, tensors: dict[str, Tensor], numbers: dict[str, list[int] | int]) -> None:
        """Write the file and force it to the disk before it takes its name."""
        from safetensors.torch import save_file

        self.path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self.path.with_suffix(f".{os.getpid()}")
        whole = {key: tensor.contiguous() for key, tensor in tensors.items()}
        save_file(whole, unfinished, metadata={"numbers": json.dumps(numbers)})
        with unfinished.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(unfinished, self.path)
        self.saved_at = time.monotonic()

    def load(self, device: torch.device) -> Saved | None:
        """What was saved, or None."""
        from safetensors import safe_open

        if not self.path.is_file():
            return None
        with safe_open(self.path, framework="pt", device=str(device)) as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
            return tensors, json.loads(file.metadata()["numbers"])
