"""A ``python`` and a ``dvc`` for tests that have imported the libraries already.

Most of a small study's time goes to importing the same libraries in every stage. Here one server
imports them once, nothing of this project among them, and every ``python -m pipeline...`` and
every ``dvc`` of a test is a fork of it that runs the module in the caller's folder, environment
and streams. Any other ``python`` is the real one.

    python tests/makers/warm.py ADDRESS OWNER    the server, until the process OWNER is gone
"""

import atexit
import gc
import os
import runpy
import signal
import socket
import struct
import sys
import threading
import time
import traceback
from pathlib import Path

LIBRARIES = (
    "torch", "torch.func", "torch._dynamo", "pandas", "pyarrow.parquet",
    "scipy.optimize", "scipy.stats", "sklearn.datasets", "matplotlib.figure",
    "matplotlib.backends.backend_agg", "matplotlib.backends.backend_svg", "seaborn", "omegaconf",
    "hydra", "safetensors.torch", "jinja2", "filelock", "tqdm", "dvc.cli", "dvc.repo",
    "dvc.commands.repro",
)  # fmt: skip
START_SECONDS = 120
SHIM = """#!{python} -IS
import os, socket, struct, sys
name = os.path.basename(sys.argv[0])
module = "dvc" if name == "dvc" else None
if name == "python" and sys.argv[1:2] == ["-m"] and sys.argv[2].startswith("pipeline."):
    module = sys.argv.pop(2)
    sys.argv.pop(1)
if module is None:
    os.execv({python!r}, [{python!r}, *sys.argv[1:]])
server = socket.socket(socket.AF_UNIX)
server.connect({address!r})
words = [module, os.getcwd(), str(len(sys.argv) - 1), *sys.argv[1:]]
words += [f"{{key}}={{value}}" for key, value in os.environ.items()]
text = "\\0".join(words).encode("utf-8", "surrogateescape")
socket.send_fds(server, [struct.pack("!I", len(text))], [0, 1, 2])
server.sendall(text)
status = server.recv(1)
os._exit(status[0] if status else 137)
"""


def commands(folder: Path, owner: int) -> Path:
    """The folder of a warm ``python`` and ``dvc``; starts their server if there is none yet.

    owner: the process that the server ends with. The caller keeps others from starting a second.
    """
    address = folder / "server"
    if not address.exists():
        (folder / "bin").mkdir(parents=True, exist_ok=True)
        for name in ("python", "dvc"):
            shim = folder / "bin" / name
            shim.write_text(SHIM.format(python=sys.executable, address=str(address)))
            shim.chmod(0o755)
        os.spawnl(os.P_NOWAIT, sys.executable, sys.executable, __file__, str(address), str(owner))
        deadline = time.monotonic() + START_SECONDS
        while not address.exists():
            assert time.monotonic() < deadline, f"no server at {address}"
            time.sleep(0.05)
    return folder / "bin"


def received(client: socket.socket) -> tuple[list[str], list[int]]:
    """A request's words and the caller's three streams."""
    head, streams, _, _ = socket.recv_fds(client, 4, 3)
    (left,) = struct.unpack("!I", head)
    parts = []
    while left:
        parts.append(client.recv(left))
        left -= len(parts[-1])
    return b"".join(parts).decode("utf-8", "surrogateescape").split("\0"), streams


def run(words: list[str], streams: list[int]) -> int:
    """Be the caller's process: run its module; the exit status."""
    module, folder, count, *rest = words
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(pair.split("=", 1) for pair in rest[int(count) :])
    sys.argv[1:] = rest[: int(count)]
    sys.dont_write_bytecode = False
    paths = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    sys.path[:0] = [folder, *paths]
    status: object = 0
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        status = end.code
        if isinstance(status, str):
            print(status, file=sys.stderr)
            status = 1
    except BaseException:
        traceback.print_exc()
        status = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    return int(status or 0)  # type: ignore[call-overload]


def is_alive(process: int) -> bool:
    """Whether a process of this user is there."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def serve(address: str, owner: int) -> None:
    """Fork for every request, until the process ``owner`` is gone."""
    for name in LIBRARIES:
        __import__(name)
    gc.collect()
    gc.freeze()
    server = socket.socket(socket.AF_UNIX)
    server.bind(f"{address}.new")
    server.listen(64)
    server.settimeout(1.0)
    os.rename(f"{address}.new", address)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the forks
    while is_alive(owner):
        try:
            client, _ = server.accept()
        except TimeoutError:
            continue
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            server.close()
            client.settimeout(None)
            words, streams = received(client)
            client.sendall(bytes([run(words, streams) & 255]))
            os._exit(0)
        client.close()


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
