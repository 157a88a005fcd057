"""What tasks on a Ray cluster tell and keep: they post it, the stage takes it."""

import functools
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.executors.counts import Telling
from pipeline.workspace import files

TELL_SECONDS = 0.2
Place = tuple[str, int]
"""The label of a work and the number of a task in it."""
Actor = Any
"""A Mailbox elsewhere; Ray's own type tells less than it asks for."""


class Mailbox:
    """What tasks have told since it was last emptied, and the files that they have kept, by the
    label of their work."""

    def __init__(self) -> None:
        self.told: dict[str, dict[int, int]] = defaultdict(dict)
        self.kept: dict[str, dict[str, bytes]] = defaultdict(dict)
        self.new: dict[str, set[str]] = defaultdict(set)

    def tell(self, place: Place, done: int) -> None:
        """So much of a task is done."""
        label, number = place
        self.told[label][number] = done

    def know(self, label: str, name: str, content: bytes) -> None:
        """Take a file that the stage has."""
        self.kept[label][name] = content

    def keep(self, label: str, name: str, content: bytes) -> None:
        """Take a file that the stage shall have."""
        self.know(label, name, content)
        self.new[label].add(name)

    def find(self, label: str, name: str) -> bytes | None:
        """A file that was kept."""
        return self.kept[label].get(name)

    def take(self, label: str) -> tuple[dict[int, int], dict[str, bytes]]:
        """What is new of a work."""
        told, new = self.told.pop(label, {}), sorted(self.new.pop(label, ()))
        return told, {name: self.kept[label][name] for name in new}

    def forget(self, label: str) -> None:
        """Forget a work."""
        for of_works in (self.told, self.kept, self.new):
            of_works.pop(label, None)


@functools.cache
def opened_mailbox() -> Actor:
    """The mailbox of this process, beside it."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
    return ray.remote(Mailbox).options(num_cpus=0, scheduling_strategy=here).remote()


@dataclass
class ToMailbox(Telling):
    """What a task tells and keeps goes into the mailbox."""

    mailbox: Actor
    place: Place
    every_seconds = TELL_SECONDS

    def tell(self) -> None:
        """Post how much is done."""
        self.mailbox.tell.remote(self.place, self.done)

    def keep(self, path: Path) -> None:
        """Send a file, and wait until it is there: it could be lost with this node."""
        import ray

        content, label = path.read_bytes(), self.place[0]
        ray.get(self.mailbox.keep.remote(label, path.as_posix(), content))

    def fetch(self, path: Path) -> None:
        """Write a file that was kept, if there is one."""
        import ray

        content = ray.get(self.mailbox.find.remote(self.place[0], path.as_posix()))
        if content is not None:
            files.write_bytes(path, content)
