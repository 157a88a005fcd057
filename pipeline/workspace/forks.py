"""The server that the stages of a ``dvc repro`` are forked from.

    python -m pipeline.workspace.forks OWNER      serve until the process OWNER is gone

It has imported the libraries and nothing of this project. A fork, which has the server's name in a
list of processes, gets the folder, the environment and the streams of the stage that asked for it
(``warm.py``); that ends as the fork ends.
"""

import atexit
import contextlib
import ctypes
import gc
import glob
import importlib
import io
import json
import os
import runpy
import select
import signal
import socket
import struct
import sys
import threading
import traceback
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from pipeline.workspace import warm

LIBRARIES = (
    "torch", "torch.func", "pandas", "pyarrow.parquet", "safetensors.torch", "omegaconf",
    "filelock", "tqdm", "scipy.optimize", "scipy.stats", "sklearn.datasets", "matplotlib.figure",
    "matplotlib.backends.backend_agg", "matplotlib.backends.backend_svg", "seaborn", "jinja2",
    "torch._dynamo",
)  # fmt: skip
"""What stages import that is not of this project, in about the order of the stages; torch's own
optimizers import its compiler."""
CREDENTIALS = struct.Struct("3i")
SET_PARENT_DEATH_SIGNAL = 1
REQUEST_SECONDS = 5.0
LOST_OUTPUT = 120
"""As which Python ends where it cannot write what is left of the output."""


def serve(address: str, owner: int, libraries: Iterable[str]) -> None:
    """Fork for every request, until the owner is gone and no fork runs any more."""
    gone = os.pidfd_open(owner)
    forget_dead(os.path.dirname(address))
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(address)
        try:
            server.listen()
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            for library in libraries:
                importlib.import_module(library)
                if select.select([gone], [], [], 0)[0]:
                    return
            gc.freeze()
            answer(server, gone)
        finally:
            os.unlink(address)


def forget_dead(folder: str) -> None:
    """Remove the sockets of servers that were killed."""
    for path in glob.glob(f"{folder}/forks-*"):
        server = warm.connected(path)
        if server is None:
            os.unlink(path)
        else:
            server.close()


def answer(server: socket.socket, gone: int) -> None:
    """Fork for every request until ``gone`` can be read, and wait for the forks."""
    waiting: list[int | socket.socket] = [gone, server]
    forks: list[Fork] = []
    while waiting or forks:
        handles = [handle for fork in forks for handle in (fork.ended, fork.client)]
        ready, _, _ = select.select([*waiting, *handles], [], [])
        forks = [fork for fork in forks if not fork.is_over(ready)]
        if gone in ready:
            waiting = []
        elif server in ready:
            forks += forked(server)


@dataclass(frozen=True)
class Fork:
    """A stage that runs, and who waits for it; ended: readable from the end of the process on."""

    client: socket.socket
    process: int
    ended: int

    def is_over(self, ready: Collection[object]) -> bool:
        """Whether the stage has ended, and tell the client; kill the stage where that is gone."""
        if self.ended in ready:
            _, status = os.waitpid(self.process, 0)
            with self.client, contextlib.suppress(OSError):  # which may be gone
                self.client.send(warm.STATUS.pack(os.waitstatus_to_exitcode(status)))
            os.close(self.ended)
            return True
        if self.client in ready:  # it has nothing more to say
            os.kill(self.process, signal.SIGKILL)
        return False


def forked(server: socket.socket) -> list[Fork]:
    """The fork for the client that waits; none, which the client is told, where there cannot be
    one."""
    client, _ = server.accept()
    client.settimeout(REQUEST_SECONDS)
    parent, process = os.getpid(), 0
    streams: list[int] = []
    try:
        streams, request = received(client)
        process = os.fork()
        if process == 0:
            server.close()
            run(request, streams, parent, client)
        ended = os.pidfd_open(process)
    except (OSError, struct.error, ValueError):
        client.close()
        if process:
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
        return []
    finally:
        for stream in streams:
            os.close(stream)
    return [Fork(client, process, ended)]


def received(client: socket.socket) -> tuple[list[int], dict[str, Any]]:
    """The streams and the request of a client of this user.

    Raises OSError, struct.error or ValueError where it is of another, or has gone.
    """
    told = client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)
    if CREDENTIALS.unpack(told)[1] != os.getuid():
        raise ConnectionError
    size, streams, _, _ = socket.recv_fds(client, warm.SIZE.size, 3)
    text = client.recv(warm.SIZE.unpack(size)[0], socket.MSG_WAITALL)
    return streams, json.loads(text)


def run(
    request: dict[str, Any], streams: list[int], parent: int, client: socket.socket
) -> NoReturn:
    """Be the client's process: run its module, and end as Python would."""
    status = 1
    try:
        become(request, streams, parent)
        client.send(warm.READY)
        client.close()
        runpy.run_module(request["module"], run_name="__main__", alter_sys=True)
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
        if not isinstance(end.code, int | None):
            print(end.code, file=sys.stderr)
    except KeyboardInterrupt:
        status = 130
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(finished(status & 0xFF))


def finished(status: int) -> int:
    """Do what Python does at its end; the status to end with."""
    for step in (threading._shutdown, atexit._run_exitfuncs, sys.stderr.flush):  # type: ignore[attr-defined]
        with contextlib.suppress(BaseException):
            step()
    try:
        sys.stdout.flush()
    except BaseException:
        return status or LOST_OUTPUT
    return status


def become(request: dict[str, Any], streams: list[int], parent: int) -> None:
    """Take the client's place, and end when the server does."""
    ctypes.CDLL(None).prctl(SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
    if os.getppid() != parent:  # which was killed before this could hear of it
        os._exit(1)
    if not request["ignores_interrupts"]:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    assert isinstance(sys.__stdout__, io.TextIOWrapper)
    sys.__stdout__.reconfigure(line_buffering=os.isatty(1))
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["env"])
    sys.argv = [request["module"], *request["words"]]
    sys.path[0] = request["folder"]
    for name in [name for name in sys.modules if name.partition(".")[0] == "pipeline"]:
        del sys.modules[name]
    np.random.seed()  # whose global numbers two forks would share


if __name__ == "__main__":
    serve(warm.address(int(sys.argv[1])), int(sys.argv[1]), LIBRARIES)
    os._exit(0)  # at once: taking torch down takes half a second
