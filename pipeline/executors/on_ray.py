"""Tasks on a Ray cluster, whose nodes share no disk with this machine.

What the tasks read goes into the object store once, and from there into a folder of each node. What
they tell and keep goes through a mailbox, an actor, to this process, which alone writes files: a
task whose node died begins again from what it has kept, wherever Ray runs it next.
"""

import fnmatch
import functools
import hashlib
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import InputError
from pipeline.executors.counts import Heard
from pipeline.executors.executor import EnoughError, Work
from pipeline.executors.mailbox import Actor, opened_mailbox
from pipeline.executors.processes import OnDone
from pipeline.executors.ray_cluster import check_nodes, connect, room
from pipeline.executors.ray_node import Piece, Shipped, attempt
from pipeline.executors.versions import versions
from pipeline.params.protocol import Resources
from pipeline.workspace import files

RETRIES = 5
"""How often a task begins again whose process or node died under it."""
LISTEN_SECONDS = 0.2


@dataclass(frozen=True)
class OnRay:
    """A cluster by its address, and what a task needs of it.

    address: ``auto`` for the cluster that this machine is part of, ``local`` for one of this
    machine alone that ends with the stage, or where another one listens.
    """

    address: str
    resources: Resources

    def slots(self) -> int:
        """How many tasks the nodes that are there have room for.

        Raises InputError where they have room for none.
        """
        import ray

        connect(self.address)
        rooms = [room(node["Resources"], self.resources) for node in ray.nodes() if node["Alive"]]
        if not sum(rooms):
            asked = f"{self.resources.cpus:g} CPUs and {self.resources.gpus:g} GPUs"
            raise InputError(f"impl.resources: none of {len(rooms)} nodes has {asked}")
        return sum(rooms)

    def run(self, work: Work, on_done: OnDone) -> list[Any]:
        """What the tasks give, in their order."""
        import ray

        self.slots()
        needs = {"num_cpus": self.resources.cpus, "num_gpus": self.resources.gpus}
        remote = ray.remote(attempt).options(**needs, max_retries=RETRIES, name=work.label)
        mailbox = opened_mailbox()
        known = [path for pattern in work.kept for path in sorted(Path().glob(pattern))]
        ray.get([  # before a task asks for them
            mailbox.know.remote(work.label, path.as_posix(), path.read_bytes()) for path in known
        ])  # fmt: skip
        inputs = [shipped(path, path.stat().st_mtime_ns) for path in work.inputs]
        started = [
            remote.remote(Piece((work.label, number), task), inputs, mailbox, versions())
            for number, task in enumerate(work.tasks)
        ]
        try:
            return Collected(work, mailbox, started, Heard(on_done)).all()
        except ray.exceptions.RayError as error:
            with suppress(ray.exceptions.RayError):
                check_nodes()  # which tells more than that a task could not be read
            raise InputError(f"{work.label}: {said(error)}; run again to go on") from None
        finally:
            for reference in started:
                with suppress(Exception):  # it is done, or the cluster is gone
                    ray.cancel(reference)
            with suppress(Exception):
                mailbox.forget.remote(work.label)


@dataclass
class Collected:
    """Started tasks and their mailbox, which is emptied until all are done."""

    work: Work
    mailbox: Actor
    started: Sequence[Any]
    heard: Heard

    def all(self) -> list[Any]:
        """What the tasks gave, in their order."""
        import ray

        results: dict[int, Any] = {}
        places = {reference: number for number, reference in enumerate(self.started)}
        while len(results) < len(self.started):
            waiting = [ref for ref, number in places.items() if number not in results]
            ready, _ = ray.wait(waiting, num_returns=len(waiting), timeout=LISTEN_SECONDS)
            self.listen()
            if self.work.is_enough():
                raise EnoughError
            for reference in ready:
                kind, content, done = ray.get(reference)
                if kind == "failed":
                    raise content
                results[places[reference]] = content
                self.heard.hear(places[reference], done)
        return [results[number] for number in range(len(self.started))]

    def listen(self) -> None:
        """Take what the tasks have told, and write what they keep."""
        import ray

        told, kept = ray.get(self.mailbox.take.remote(self.work.label))
        for number, count in told.items():
            self.heard.hear(number, count)
        for name, content in kept.items():
            if any(fnmatch.fnmatch(name, pattern) for pattern in self.work.kept):
                files.write_bytes(Path(name), content)


def said(error: BaseException) -> str:
    """What Ray's exceptions say in one line: of a traceback the last one, else the first."""
    lines = [" ".join(line.split()) for line in str(error).splitlines() if line.strip()]
    is_traceback = any("Traceback" in line for line in lines)
    return lines[-1 if is_traceback else 0] if lines else type(error).__name__


@functools.cache
def shipped(path: Path, _changed_ns: int) -> Shipped:
    """A file in the object store, once for all works of this process."""
    import numpy as np
    import ray

    content, is_program = np.fromfile(path, dtype=np.uint8), os.access(path, os.X_OK)
    digest = hashlib.sha256(content.data).hexdigest()
    return Shipped(path.as_posix(), is_program, digest, ray.put(content))
