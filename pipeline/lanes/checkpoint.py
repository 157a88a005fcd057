"""The state of a training on disk, so that a killed run goes on and ends with the same bytes.

A checkpoint is named by a digest of what the training depends on, so that another
configuration, other data or other code never picks it up.
"""

import hashlib
import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor

from pipeline.executors.executor import Link
from pipeline.training.pack import Pack


@dataclass(frozen=True)
class Content:
    """What a checkpoint holds: tensors by group and name, and a few whole numbers by name."""

    groups: Mapping[str, Mapping[str, Tensor]]
    numbers: Mapping[str, list[int]]


@dataclass
class Checkpoint:
    """One training's file, replaced as a whole.

    The clock decides only when it is written, never what a training computes. link: keeps a copy of
    the file for a training that begins again where this disk is not.
    """

    path: Path
    interval_seconds: float = 0.0
    link: Link | None = None
    saved_at: float = field(default_factory=time.monotonic)

    def is_due(self, is_last: bool) -> bool:
        """Whether enough time has passed; the end of a training is always kept."""
        return is_last or time.monotonic() - self.saved_at >= self.interval_seconds

    def save(self, content: Content) -> None:
        """Write the file and force it to the disk before it takes its name."""
        from safetensors.torch import save_file

        self.path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self.path.with_suffix(f".{os.uname().nodename}-{os.getpid()}")
        tensors = {
            f"{group}|{name}": tensor.contiguous()
            for group, members in content.groups.items()
            for name, tensor in members.items()
        }
        save_file(tensors, unfinished, metadata={"numbers": json.dumps(dict(content.numbers))})
        with unfinished.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(unfinished, self.path)
        if self.link:
            self.link.keep(self.path)
        self.saved_at = time.monotonic()

    def load(self, device: torch.device) -> Content | None:
        """What was saved, or None; a group that was empty is absent."""
        from safetensors import safe_open

        if self.link:
            self.link.fetch(self.path)
        if not self.path.is_file():
            return None
        groups: dict[str, dict[str, Tensor]] = {}
        with safe_open(self.path, framework="pt", device=str(device)) as file:
            for key in file.keys():  # noqa: SIM118
                group, name = key.split("|", 1)
                groups.setdefault(group, {})[name] = file.get_tensor(key)
            return Content(groups, json.loads(file.metadata()["numbers"]))


@dataclass(frozen=True)
class Store:
    """Where checkpoints lie; ``inputs`` names the data and code that they depend on."""

    folder: Path
    inputs: str
    interval_seconds: float = 0.0
    link: Link | None = None

    @property
    def files(self) -> str:
        """The pattern of their names."""
        return f"{self.folder.as_posix()}/{self.inputs}-*.safetensors"

    def checkpoint(self, pack: Pack, engine: str, micro_batches: int) -> Checkpoint:
        """The checkpoint of these cells trained this way."""
        key = [asdict(replace(pack, begun=None)), pack.first_step, engine, micro_batches]
        key.append(torch.__version__)
        digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:24]
        path = self.folder / f"{self.inputs}-{digest}.safetensors"
        return Checkpoint(path, self.interval_seconds, self.link)

    def clear(self) -> None:
        """Forget all checkpoints of these inputs: what they led to is written elsewhere."""
        for path in self.folder.glob(f"{self.inputs}-*"):
            path.unlink(missing_ok=True)
