"""The server that the stages of a ``dvc repro`` are forked from.

    python -m pipeline.workspace.forks OWNER      serve until the process OWNER is gone

It has imported the libraries and nothing of this project. A fork gets the folder, the environment
and the streams of the process that asked for it (``warm.py``), which ends as the fork ends.
"""

import contextlib
import ctypes
import gc
import importlib
import io
import json
import multiprocessing
import os
import runpy
import select
import signal
import socket
import struct
import sys
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from typing import Any

from pipeline.workspace.warm import READY, SIZE, STATUS, address, is_ours

LIBRARIES = (
    "torch", "torch.func", "pandas", "pyarrow.parquet", "safetensors.torch", "omegaconf",
    "filelock", "tqdm", "scipy.optimize", "scipy.stats", "sklearn.datasets", "matplotlib.figure",
    "matplotlib.backends.backend_agg", "matplotlib.backends.backend_svg", "seaborn", "jinja2",
)  # fmt: skip
"""What stages import that is not of this project, in about the order of the stages."""
SET_PARENT_DEATH_SIGNAL = 1


def serve(owner: int, libraries: Iterable[str]) -> None:
    """Fork for every request, until the owner is gone and no fork runs any more."""
    gone, before = os.pidfd_open(owner), dict(os.environ)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(address(owner))
        server.listen()
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        for library in libraries:
            importlib.import_module(library)
            if is_ready(gone):
                return
        gc.freeze()
        set_by_libraries = {name: os.environ[name] for name in os.environ.keys() - before.keys()}
        waiting: list[int | socket.socket] = [gone, server]
        forks: list[Fork] = []
        while waiting or forks:
            handles = [handle for fork in forks for handle in (fork.ended, fork.client)]
            ready, _, _ = select.select([*waiting, *handles], [], [])
            forks = [fork for fork in forks if not fork.is_over(ready)]
            if gone in ready:
                waiting = []
            elif server in ready:
                forks += forked(server, set_by_libraries)


def is_ready(handle: int) -> bool:
    """Whether a read of it would not wait."""
    return bool(select.select([handle], [], [], 0)[0])


@dataclass(frozen=True)
class Fork:
    """A stage that runs, and who waits for it; ended: readable from the end of the process on."""

    client: socket.socket
    process: BaseProcess
    ended: int

    def is_over(self, ready: Collection[object]) -> bool:
        """Whether the stage has ended, and tell the client; kill the stage where that is gone."""
        if self.ended in ready:
            self.process.join()
            with self.client, contextlib.suppress(OSError):  # which may be gone
                self.client.send(STATUS.pack(self.process.exitcode))
            os.close(self.ended)
            self.process.close()
            return True
        if self.client in ready:  # it has nothing more to say
            self.process.kill()
        return False


def forked(server: socket.socket, env: dict[str, str]) -> list[Fork]:
    """The fork for the client that waits, none where that is not ours or gone.

    env: what the libraries have set, for where the client's environment does not.
    """
    client, _ = server.accept()
    try:
        if not is_ours(client):
            raise ConnectionError
        client.send(READY)
        size, streams, _, _ = socket.recv_fds(client, SIZE.size, 3)
        request = json.loads(client.recv(SIZE.unpack(size)[0], socket.MSG_WAITALL))
    except (OSError, struct.error, ValueError):
        client.close()
        return []
    request["env"] = env | request["env"]
    arguments = (request, streams, os.getpid(), (server, client))
    process = multiprocessing.get_context("fork").Process(target=run, args=arguments)
    process.start()
    for stream in streams:
        os.close(stream)
    assert process.pid is not None
    return [Fork(client, process, os.pidfd_open(process.pid))]


def run(
    request: dict[str, Any], streams: list[int], parent: int, held: Iterable[socket.socket]
) -> None:
    """Be the client's process: run its module.

    held: the server's own connections.
    """
    ctypes.CDLL(None).prctl(SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
    if os.getppid() != parent:  # which died before this could hear of it
        os._exit(1)
    for connection in held:
        connection.close()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 - multiprocessing has given it another
    assert isinstance(sys.__stdout__, io.TextIOWrapper)
    sys.__stdout__.reconfigure(line_buffering=os.isatty(1))
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["env"])
    sys.argv = [request["module"], *request["words"]]
    sys.path[0] = request["folder"]
    for name in [name for name in sys.modules if name.partition(".")[0] == "pipeline"]:
        del sys.modules[name]
    runpy.run_module(request["module"], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    serve(int(sys.argv[1]), LIBRARIES)
    os._exit(0)  # at once: taking torch down takes half a second
