"""A task on a node of a Ray cluster, which has nothing but the installed project."""

import hashlib
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import InputError
from pipeline.executors.executor import Task
from pipeline.executors.mailbox import Actor, Place, ToMailbox
from pipeline.executors.processes import sendable
from pipeline.executors.versions import check, versions

Shipped = tuple[str, str, Any]
"""A file: its path, the digest of its content, and a reference to that in the object store."""


@dataclass(frozen=True)
class Piece:
    """A task and its place."""

    place: Place
    task: Task


def attempt(
    piece: Piece,
    shipped: Sequence[Shipped],
    mailbox: Actor,
    ours: Mapping[str, str],
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


def unpacked(shipped: Sequence[Shipped]) -> Path:
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
