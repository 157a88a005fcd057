"""Let a stage be a fork of an interpreter that has imported the libraries.

Importing torch takes longer than many a stage works. So the first stage of a ``dvc repro`` starts a
server beside itself (``forks.py``), and each later one is a fork of that. The server ends with the
``dvc`` that it is for. A stage that was started by hand, or on another system than Linux, runs by
itself.
"""

import json
import os
import signal
import socket
import struct
import subprocess
import sys
from typing import NoReturn

STARTS_NONE = ("config", "watch", "report", "model")
"""Stages without torch, after which there may come none that needs it."""
SERVER, READY = "pipeline.workspace.forks", b"r"
SIZE, STATUS, CREDENTIALS = struct.Struct("!I"), struct.Struct("!i"), struct.Struct("3i")


def hand_over(module: str, words: list[str]) -> None:
    """Be the process of a stage that a fork of the server runs: never return.

    Returns where the stage has to run by itself; starts the server for those that follow.
    """
    stage = os.environ.get("DVC_STAGE")
    owner = dvc_of(stage) if stage and sys.platform.startswith("linux") else None
    if owner is None:
        return
    try:
        server = connected(owner)
    except OSError:
        if module.rpartition(".")[2] not in STARTS_NONE:
            start(owner)
        return
    end_as(asked(server, module, words))


def dvc_of(stage: str) -> int | None:
    """The ``dvc`` that started this process as the stage, past the shells between them; None where
    another program did."""
    mark, process = f"DVC_STAGE={stage}".encode(), os.getppid()
    try:
        while mark in told(process, "environ").split(b"\0"):
            process = int(told(process, "stat").rpartition(b")")[2].split()[1])
        return process if b"dvc" in told(process, "cmdline") else None
    except OSError:  # a process that ended, or that is not ours to look at
        return None


def told(process: int, file: str) -> bytes:
    """What Linux tells of a process."""
    with open(f"/proc/{process}/{file}", "rb") as about:
        return about.read()


def address(owner: int) -> str:
    """Where the owner's server listens: a name that is no file, and of no later process."""
    started = told(owner, "stat").rpartition(b")")[2].split()[19].decode()
    return f"\0batchwise-{os.getuid()}-{owner}-{started}"


def connected(owner: int) -> socket.socket:
    """A connection to the owner's server, once that is ready to fork.

    Raises OSError where there is none, where it ended before, and where it is not this user's.
    """
    server = socket.socket(socket.AF_UNIX)
    try:
        server.connect(address(owner))
        if not is_ours(server) or server.recv(len(READY)) != READY:
            raise ConnectionError
    except OSError:
        server.close()
        raise
    return server


def is_ours(other: socket.socket) -> bool:
    """Whether the process at the other end is this user's."""
    credentials = other.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)
    return bool(CREDENTIALS.unpack(credentials)[1] == os.getuid())


def start(owner: int) -> None:
    """Start the owner's server, which imports while this stage does."""
    command, nowhere = [sys.executable, "-m", SERVER, str(owner)], subprocess.DEVNULL
    subprocess.Popen(command, stdin=nowhere, stdout=nowhere, stderr=nowhere)


def asked(server: socket.socket, module: str, words: list[str]) -> int:
    """How the module ends in a fork of the server: its status, or below zero the signal that ended
    it. The fork is killed where this process is."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the fork hears Ctrl-C itself
    request = {"module": module, "words": words, "folder": os.getcwd(), "env": dict(os.environ)}
    text = json.dumps(request).encode()
    socket.send_fds(server, [SIZE.pack(len(text))], [0, 1, 2])
    server.sendall(text)
    status = server.recv(STATUS.size)
    if not status:
        sys.exit("error: the process that stages are forked from was killed: run again")
    return int(STATUS.unpack(status)[0])


def end_as(status: int) -> NoReturn:
    """End this process with a status, or below zero by a signal."""
    if status < 0:
        if -status != signal.SIGKILL:  # which nothing can hold up
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    os._exit(status)
