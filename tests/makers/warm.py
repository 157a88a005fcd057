"""A ``python`` and a ``dvc`` for tests that have imported the libraries already.

Most of a small study's time goes to importing the same libraries in every stage. Here one server
imports them once, nothing of this project among them, and every ``python -m pipeline...`` and
every ``dvc`` of a test is a fork of it that runs the module in the caller's folder, environment
and streams. Any other ``python`` is the real one.

    python tests/makers/warm.py ADDRESS OWNER    the server, until the process OWNER is gone
"""

import os
import sys
import time
from pathlib import Path

from pipeline.workspace import forks, warm

LIBRARIES = (
    *forks.LIBRARIES,
    "hydra",
    "dvc.cli",
    "dvc.repo",
    "dvc.commands.repro",
)
START_SECONDS = 120
SHIM = """#!{python} -IS
import os, sys
name = os.path.basename(sys.argv.pop(0))
module = "dvc" if name == "dvc" else None
if name == "python" and sys.argv[:1] == ["-m"] and sys.argv[1].startswith("pipeline."):
    module = sys.argv[1]
    del sys.argv[:2]
if module is None:
    os.execv({python!r}, [{python!r}, *sys.argv])
sys.path.insert(0, {root!r})
from pipeline.workspace import warm
warm.wait_in(warm.connected({address!r}), module, sys.argv)
os._exit(137)
"""


def commands(folder: Path, owner: int) -> Path:
    """The folder of a warm ``python`` and ``dvc``; starts their server if there is none yet.

    owner: the process that the server ends with. The caller keeps others from starting a second.
    """
    address = str(folder / "server")
    if not folder.exists():
        (folder / "bin").mkdir(parents=True)
        root = str(Path(warm.__file__).parents[2])
        for name in ("python", "dvc"):
            shim = folder / "bin" / name
            shim.write_text(SHIM.format(python=sys.executable, root=root, address=address))
            shim.chmod(0o755)
        server = [sys.executable, __file__, address, str(owner)]
        os.spawnv(os.P_NOWAIT, sys.executable, server)
        deadline = time.monotonic() + START_SECONDS
        while not (server_there := warm.connected(address)):
            assert time.monotonic() < deadline, f"no server at {address}"
            time.sleep(0.05)
        server_there.close()
    return folder / "bin"


if __name__ == "__main__":
    sys.dont_write_bytecode = False
    forks.serve(sys.argv[1], int(sys.argv[2]), LIBRARIES)
    os._exit(0)
