"""Let a stage be a fork of a process that has imported the libraries.

Importing torch takes longer than many a stage works. So an early stage of a ``dvc repro`` starts a
server beside itself (``forks.py``), and each later one is a fork of that. The server ends with the
``dvc`` that it is for. A stage that was started by hand, or on another system than Linux, or that
the server cannot fork, runs by itself.
"""

import contextlib
import json
import os
import signal
import socket
import struct
import subprocess
import sys
from typing import NoReturn

STARTS_NONE = ("config", "watch", "throughput", "retime", "report", "model")
"""Stages that start no server: others may measure what it would take of the machine, or be the last
of a ``dvc repro``, or all of it."""
CACHE, SERVER = ".cache", "pipeline.workspace.forks"
READY, SIZE, STATUS = b"r", struct.Struct("!I"), struct.Struct("!i")


def hand_over(module: str, words: list[str]) -> None:
    """Let a fork of the server be this stage, and end as it ends; return where none can be.

    Starts the server where there is none yet.
    """
    stage = os.environb.get(b"DVC_STAGE")
    owner = dvc_of(stage) if stage and sys.platform.startswith("linux") else None
    if owner is None:
        return
    with contextlib.suppress(OSError):  # a folder that cannot be written, a dvc that has ended
        server = connected(address(owner))
        if server is not None:
            wait_in(server, module, words)
        elif module.rpartition(".")[2] not in STARTS_NONE:
            start(owner)


def dvc_of(stage: bytes) -> int | None:
    """The ``dvc`` that started this process as the stage, past the shells between them; None where
    another program did."""
    process = os.getppid()
    try:
        while b"DVC_STAGE=" + stage in about(process, "environ").split(b"\0"):
            process = int(about(process, "stat").rpartition(b")")[2].split()[1])
        words = about(process, "cmdline").split(b"\0")[:3]  # a program, perhaps by `python -m`
    except OSError:  # a process that has ended, or that is not ours to look at
        return None
    return process if b"dvc" in map(os.path.basename, words) else None


def about(process: int, what: str) -> bytes:
    """What the system tells about a process."""
    with open(f"/proc/{process}/{what}", "rb") as file:
        return file.read()


def address(owner: int) -> str:
    """The socket of the owner's server, in the folder of the project: who may write there may
    change the code that is run."""
    started = about(owner, "stat").rpartition(b")")[2].split()[19].decode()
    return f"{CACHE}/forks-{owner}-{started}"


def connected(path: str) -> socket.socket | None:
    """A connection to a server; None where there is none."""
    server = socket.socket(socket.AF_UNIX)
    try:
        server.connect(path)
    except OSError:
        server.close()
        return None
    return server


def start(owner: int) -> None:
    """Start the owner's server, which imports while this stage does."""
    os.makedirs(CACHE, exist_ok=True)
    command, nowhere = [sys.executable, "-m", SERVER, str(owner)], subprocess.DEVNULL
    subprocess.Popen(command, stdin=nowhere, stdout=nowhere, stderr=nowhere)


def wait_in(server: socket.socket, module: str, words: list[str]) -> None:
    """Let the server fork, wait for the fork and end as it ends, which is killed where this process
    is; return where it does not fork.

    Raises OSError where the server has gone.
    """
    request = {
        "module": module, "words": words, "folder": os.getcwd(), "env": dict(os.environ),
        "ignores_interrupts": signal.getsignal(signal.SIGINT) is signal.SIG_IGN,
    }  # fmt: skip
    text = json.dumps(request).encode()
    try:
        socket.send_fds(server, [SIZE.pack(len(text))], [0, 1, 2])
        server.sendall(text)
        if server.recv(len(READY)) != READY:  # which it waits for until the libraries are imported
            return
    except KeyboardInterrupt:
        os._exit(130)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the fork hears Ctrl-C itself
    try:
        end_as(STATUS.unpack(server.recv(STATUS.size))[0])
    except (OSError, struct.error):
        sys.exit("error: the process that stages are forked from was killed: run again")


def end_as(status: int) -> NoReturn:
    """End this process with a status, or below zero by a signal."""
    if status < 0:
        if -status != signal.SIGKILL:  # which nothing can hold up
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    os._exit(status)
