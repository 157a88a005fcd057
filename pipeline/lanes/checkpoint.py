"""The state of a training on disk, so that a killed run goes on and ends with the same bytes.

A checkpoint is named by a digest of what the training depends on, so that another
configuration, other data or other code never picks it up.
"""

import hashlib
import json
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor

from pipeline.errors import InputError
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
        """Write the file and force it to the disk before it takes its name.

        Raises InputError where the disk takes no more.
        """
        from safetensors import SafetensorError
        from safetensors.torch import save_file

        self.path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self.path.with_suffix(f".{os.uname().nodename}-{os.getpid()}")
        tensors = {
            f"{group}|{name}": tensor.contiguous()
            for group, members in content.groups.items()
            for name, tensor in members.items()
        }
        numbers = json.dumps(dict(content.numbers))
        metadata = {"numbers": numbers, "digest": digest(numbers, tensors)}
        try:
            save_file(tensors, unfinished, metadata=metadata)
            with unfinished.open("rb") as file:
                os.fsync(file.fileno())
            os.replace(unfinished, self.path)
        except (OSError, SafetensorError) as error:
            unfinished.unlink(missing_ok=True)
            raise InputError(f"{self.path.parent}: no checkpoint can be written: {error}") from None
        if self.link:
            self.link.keep(self.path)
        self.saved_at = time.monotonic()

    def load(self, device: torch.device) -> Content | None:
        """What was saved, or None; a group that was empty is absent. A file that is not as it was
        written is told, and gone."""
        from safetensors import SafetensorError

        if self.link:
            self.link.fetch(self.path)
        if not self.path.is_file():
            return None
        try:
            return self.read(device)
        except (SafetensorError, KeyError, DamagedError):
            print(f"{self.path}: is damaged; its training begins anew", file=sys.stderr)
            self.path.unlink()
            return None

    def read(self, device: torch.device) -> Content:
        """What the file holds.

        Raises DamagedError where that is not what was written, and SafetensorError or KeyError
        where it is no checkpoint at all.
        """
        from safetensors import safe_open

        with safe_open(self.path, framework="pt", device=str(device)) as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
            known = file.metadata() or {}
            numbers, written = known["numbers"], known["digest"]
        if digest(numbers, tensors) != written:
            raise DamagedError
        groups: dict[str, dict[str, Tensor]] = {}
        for key, tensor in tensors.items():
            group, name = key.split("|", 1)
            groups.setdefault(group, {})[name] = tensor
        return Content(groups, json.loads(numbers))


class DamagedError(Exception):
    """A file does not hold what was written to it."""


def digest(numbers: str, tensors: Mapping[str, Tensor]) -> str:
    """Of all that a checkpoint holds: a disk that gives other bytes back must not go unseen."""
    content = hashlib.blake2b(numbers.encode(), digest_size=16)
    for name in sorted(tensors):
        content.update(name.encode())
        content.update(tensors[name].cpu().flatten().view(torch.uint8).numpy().data)
    return content.hexdigest()


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

    def checkpoint(self, pack: Pack, *how: str | int) -> Checkpoint:
        """The checkpoint of these cells; how: all that their bits hang on beside the pack."""
        key = [asdict(replace(pack, begun=None)), pack.first_step, *how, torch.__version__]
        digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:24]
        path = self.folder / f"{self.inputs}-{digest}.safetensors"
        return Checkpoint(path, self.interval_seconds, self.link)

    def clear(self) -> None:
        """Forget all checkpoints of these inputs: what they led to is written elsewhere."""
        for path in self.folder.glob(f"{self.inputs}-*"):
            path.unlink(missing_ok=True)
