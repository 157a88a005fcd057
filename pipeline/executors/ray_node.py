"""A task on a node of a Ray cluster, which has nothing but the installed project."""

import os
import shutil
import signal
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


@dataclass(frozen=True)
class Shipped:
    """A file: its path below the working folder, whether it is a program, the digest of its
    content, and a reference to that in the object store."""

    path: str
    is_program: bool
    digest: str
    content: Any


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

    link, folder = ToMailbox(mailbox, piece.place), None
    # what was started in the background ignores interrupts, by which Ray ends a task
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        check(ray.util.get_node_ip_address(), versions(), ours)
        folder = unpacked(shipped)
        os.chdir(folder)
        if "" not in sys.path:
            sys.path.insert(0, "")  # a network of the user's own lies in the working folder
        given = piece.task(link)
        return "done", given, link.done
    except Exception as error:
        return "failed", sendable(error), link.done
    finally:
        if folder:
            os.chdir(tempfile.gettempdir())
            shutil.rmtree(folder, ignore_errors=True)


def unpacked(shipped: Sequence[Shipped]) -> Path:
    """A working folder for one attempt, with links to the files, which this node keeps by their
    content for whoever needs them next."""
    import ray

    owner = Path(tempfile.gettempdir()) / f"batchwise-{os.getuid()}"
    owner.mkdir(mode=0o700, exist_ok=True)
    if owner.stat().st_uid != os.getuid():
        raise InputError(f"{owner}: belongs to somebody else")
    folder = Path(tempfile.mkdtemp(dir=owner))
    for file in shipped:
        mode = 0o555 if file.is_program else 0o444
        kept = owner / f"{file.digest}-{mode:o}"
        if not kept.is_file():
            content: Any = ray.get(file.content)
            with tempfile.NamedTemporaryFile(dir=owner, delete=False) as unfinished:
                unfinished.write(content.data)
            Path(unfinished.name).chmod(mode)
            Path(unfinished.name).replace(kept)
        (folder / file.path).parent.mkdir(parents=True, exist_ok=True)
        os.link(kept, folder / file.path)
    return folder
