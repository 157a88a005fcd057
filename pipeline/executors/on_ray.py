"""Tasks on a Ray cluster, whose nodes share no disk with this machine.

What the tasks read goes into the object store once, and from there into a folder of each node. What
they tell and keep goes through a mailbox, an actor, to this process, which alone writes files: a
task whose node died begins again from what it has kept, wherever Ray runs it next.
"""

import fnmatch
import functools
import hashlib
import os
import socket
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.errors import InputError
from pipeline.executors.executor import EnoughError, Task, Work
from pipeline.executors.processes import OnDone, available_cores, sendable
from pipeline.executors.versions import check, versions
from pipeline.params.protocol import Resources
from pipeline.workspace import files

RETRIES = 5
"""How often a task begins again whose process or node died under it."""
LISTEN_SECONDS = 0.2
TELL_SECONDS = 0.2
KNOCK_SECONDS = 5.0
CONNECTING = threading.Lock()
"""Several works may begin at once, and a process joins once."""
Versions = dict[str, str]
Place = tuple[str, int]
"""The label of a work and the number of a task in it."""
Actor = Any
Reference = Any
"""Ray's own types tell less than they ask for."""


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
        for path in known:
            mailbox.know.remote(work.label, path.as_posix(), path.read_bytes())
        shipped = [(path.as_posix(), digest(path), put(path)) for path in work.inputs]
        started = [
            remote.remote(Piece((work.label, number), task), shipped, mailbox, versions())
            for number, task in enumerate(work.tasks)
        ]
        try:
            return Collected(work, mailbox, started, on_done).all()
        except ray.exceptions.RayError as error:
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
    started: Sequence[Reference]
    on_done: OnDone
    done: dict[int, int] = field(default_factory=lambda: defaultdict(int))

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
                self.hear(places[reference], done)
        return [results[number] for number in range(len(self.started))]

    def listen(self) -> None:
        """Take what the tasks have told, and write what they keep."""
        import ray

        told, kept = ray.get(self.mailbox.take.remote(self.work.label))
        for number, count in told.items():
            self.hear(number, count)
        for name, content in kept.items():
            if any(fnmatch.fnmatch(name, pattern) for pattern in self.work.kept):
                files.write_bytes(Path(name), content)

    def hear(self, number: int, count: int) -> None:
        """So much of a task is done; one that began again tells less than before."""
        self.on_done(max(0, count - self.done[number]))
        self.done[number] = max(count, self.done[number])


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


@dataclass(frozen=True)
class Piece:
    """A task and its place."""

    place: Place
    task: Task


@dataclass
class ToMailbox:
    """What a task tells and keeps goes into the mailbox."""

    mailbox: Actor
    place: Place
    done: int = 0
    told_at: float = 0.0
    kept: set[Path] = field(default_factory=set)

    def on_done(self, count: int) -> None:
        """Tell how much is done, now and then."""
        self.done += count
        if time.monotonic() - self.told_at > TELL_SECONDS:
            self.told_at = time.monotonic()
            self.mailbox.tell.remote(self.place, self.done)

    def keep(self, path: Path) -> None:
        """Send a file, and wait until it is there: it could be lost with this node."""
        import ray

        content, label = path.read_bytes(), self.place[0]
        ray.get(self.mailbox.keep.remote(label, path.as_posix(), content))
        self.kept.add(path)

    def fetch(self, path: Path) -> None:
        """Write a file that was kept, and no other: an older stage may have left one here."""
        import ray

        content = ray.get(self.mailbox.find.remote(self.place[0], path.as_posix()))
        path.unlink(missing_ok=True)
        if content is not None:
            files.write_bytes(path, content)

    def clear(self) -> None:
        """Leave nothing on this node of what was kept."""
        for path in self.kept:
            path.unlink(missing_ok=True)


def attempt(
    piece: Piece,
    shipped: Sequence[tuple[str, str, Reference]],
    mailbox: Actor,
    ours: Versions,
) -> tuple[str, Any, int]:
    """Do a task on a node; what it gave, or the exception that it raised, and how much was done."""
    import ray

    link = ToMailbox(mailbox, piece.place)
    try:
        check(ray.util.get_node_ip_address(), versions(), ours)
        os.chdir(unpacked(shipped))
        if "" not in sys.path:
            sys.path.insert(0, "")  # a network of the user's own lies in the working folder
        given = piece.task(link)
        return "done", given, link.done
    except Exception as error:
        return "failed", sendable(error), link.done
    finally:
        link.clear()


def unpacked(shipped: Sequence[tuple[str, str, Reference]]) -> Path:
    """A folder of this node with the files, which tasks of the same files share."""
    import ray

    contents = hashlib.sha256(repr([(name, digest) for name, digest, _ in shipped]).encode())
    owner = Path(tempfile.gettempdir()) / f"batchwise-{os.getuid()}"
    owner.mkdir(mode=0o700, exist_ok=True)
    if owner.stat().st_uid != os.getuid():
        raise InputError(f"{owner}: belongs to somebody else")
    folder = owner / contents.hexdigest()[:24]
    folder.mkdir(exist_ok=True)
    for name, _, reference in shipped:
        if not (folder / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            content: Any = ray.get(reference)
            with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
                file.write(content.data)
            Path(file.name).replace(folder / name)
    return folder


def said(error: BaseException) -> str:
    """What Ray's exceptions say in one line: of a traceback the last one, else the first."""
    lines = [" ".join(line.split()) for line in str(error).splitlines() if line.strip()]
    is_traceback = any("Traceback" in line for line in lines)
    return lines[-1 if is_traceback else 0] if lines else type(error).__name__


def put(path: Path) -> Reference:
    """The bytes of a file in the object store."""
    import numpy as np
    import ray

    return ray.put(np.fromfile(path, dtype=np.uint8))


def digest(path: Path) -> str:
    """Of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@functools.cache
def opened_mailbox() -> Actor:
    """The mailbox of this process, beside it."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
    return ray.remote(Mailbox).options(num_cpus=0, scheduling_strategy=here).remote()


def room(has: Mapping[str, float], needs: Resources) -> int:
    """How many tasks at once a node has room for."""
    asked = {"CPU": needs.cpus, "GPU": needs.gpus}
    return min(int(has.get(name, 0) // count) for name, count in asked.items() if count)


def connect(address: str) -> None:
    """Join the cluster, unless this process has.

    Raises InputError where there is none.
    """
    try:
        import ray
    except ImportError:
        raise InputError("impl.executor: 'ray' needs `pip install -e .[ray]`") from None
    with CONNECTING:
        if not ray.is_initialized():
            join(address)


def join(address: str) -> None:
    """Join the cluster.

    Raises InputError where there is none.
    """
    import ray

    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    silent: dict[str, Any] = {
        "log_to_driver": False,
        "configure_logging": False,
        "logging_level": "ERROR",
    }
    try:
        see_that_somebody_listens(address)
        if address == "local":
            ray.init("local", num_cpus=available_cores(), include_dashboard=False, **silent)
        else:
            ray.init(address, **silent)
    except (OSError, RuntimeError, ValueError) as error:
        words = " ".join(str(error).split())
        raise InputError(f"impl.address: {address!r} cannot be joined: {words[:300]}") from None


def see_that_somebody_listens(address: str) -> None:
    """Raise an OSError where nobody does at HOST:PORT: Ray itself would ask for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host, int(port)), KNOCK_SECONDS).close()


def check_nodes() -> None:
    """Raise an InputError for a node that holds other versions than this machine."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    nodes, asked = [node for node in ray.nodes() if node["Alive"]], []
    for node in nodes:
        there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        ask = ray.remote(asking()).options(num_cpus=0, scheduling_strategy=there)
        asked.append(ask.remote())
    ours = versions()
    for node, theirs in zip(nodes, ray.get(asked), strict=True):
        check(node["NodeManagerAddress"], theirs, ours)


def asking() -> Callable[[], Versions]:
    """What tells a node's versions, sent as code: the project may be missing there."""

    def versions_there() -> Versions:
        import platform

        try:
            from pipeline.executors.versions import versions
        except ImportError:
            return {"python": platform.python_version()}
        return versions()

    return versions_there
