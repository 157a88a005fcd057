"""Stages that are forks of one interpreter: like stages by themselves, and no longer."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from makers.project import ROOT, Project
from pipeline.workspace import warm

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="stages are forked on Linux alone"
)
DVC = """
import os, signal, subprocess, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # whatever the tests were started with
for number, command in enumerate(sys.argv[1:]):
    env = os.environ | {"DVC_STAGE": str(number)}
    stage = subprocess.Popen(["/bin/sh", "-c", command], env=env)
    heard = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as DVC does while a stage runs
    print("status", stage.wait(), flush=True)
    signal.signal(signal.SIGINT, heard)
"""
"""What DVC does with the commands of stages."""
STAGE = """
import json, os, signal, sys, time
from pathlib import Path
from pipeline.workspace import warm

def wait_for_the_server():
    for _ in range(400):
        time.sleep(0.05)
        server = warm.connected(warm.address(warm.dvc_of(os.environb[b"DVC_STAGE"])))
        if server:
            return server.close()
    sys.exit("no server")

def tell(*words):
    told = {"words": words, "folder": os.getcwd(), "stage": os.environ["DVC_STAGE"]}
    told["parent"] = warm.about(os.getppid(), "cmdline").decode()
    print(json.dumps(told | {"is_main": __name__ == "__main__", "has_wave": "wave" in sys.modules}))
    print(sys.stdin.read(), file=sys.stderr)

def sleep():
    Path("sleeper").write_text(f"{os.getpid()} {os.getpgid(0)}")
    try:
        time.sleep(float(30))
    except KeyboardInterrupt:
        sys.exit(130)

def end(status):
    sys.exit(int(status) if status.isdigit() else status)

def die():
    os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
"""
FIRST = "train wait_for_the_server"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with stages that do what they are told, and a server that has little to import."""
    shutil.copytree(ROOT / "pipeline/workspace", tmp_path / "pipeline/workspace")
    (tmp_path / "pipeline/stages").mkdir()
    for name in ("__init__.py", "stages/__init__.py"):
        shutil.copy(ROOT / "pipeline" / name, tmp_path / "pipeline" / name)
    for name in ("train", "report"):
        (tmp_path / "pipeline/stages" / f"{name}.py").write_text(STAGE)
    (tmp_path / "dvc").write_text(DVC)
    replace(tmp_path / "pipeline/workspace/forks.py", "]), LIBRARIES)", "]), ['wave'])")
    return tmp_path


def replace(path: Path, old: str, new: str) -> None:
    """Edit a file."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def begun(place: Path, *stages: str) -> "subprocess.Popen[str]":
    """The ``dvc`` that runs these stages one after the other, in a process group of its own."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    commands = [f"python -m pipeline.stages.{stage}" for stage in stages]
    return subprocess.Popen(
        [sys.executable, "dvc", *commands], cwd=place, env=os.environ | {"PATH": path},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip


def ran(place: Path, *stages: str) -> tuple[list[str], str]:
    """The lines that the stages printed, and what they said on standard error."""
    out, error = begun(place, *stages).communicate("typed", timeout=60)
    return out.splitlines(), error


def sleeper(place: Path) -> int:
    """The process of the stage that sleeps, once it does."""
    path = place / "sleeper"
    wait_for(lambda: path.exists() and " " in path.read_text())
    return int(path.read_text().split()[0])


def wait_for(holds: Callable[[], object]) -> None:
    """Wait until it holds, for at most 20 seconds."""
    for _ in range(400):
        if holds():
            return
        time.sleep(0.05)
    raise AssertionError("it never held")


def in_folder(place: Path, module: str) -> list[int]:
    """The processes that run a module in a folder."""
    found = []
    for process in map(int, filter(str.isdigit, os.listdir("/proc"))):
        with contextlib.suppress(OSError):  # of others, or ended
            words = warm.about(process, "cmdline").split(b"\0")
            if words[1:3] == [b"-m", module.encode()]:
                found += [process] if Path(f"/proc/{process}/cwd").resolve() == place else []
    return found


def servers(place: Path) -> list[int]:
    """The servers, and their forks, that run in a folder."""
    return in_folder(place, "pipeline.workspace.forks")


def test_a_fork_has_the_words_the_folder_the_environment_and_the_streams(place: Path) -> None:
    lines, error = ran(place, FIRST, "train tell 'two words' ''")
    assert (lines[0], lines[2], error) == ("status 0", "status 0", "typed\n")
    told = json.loads(lines[1])
    assert "pipeline.workspace.forks" in told.pop("parent")
    assert told == {
        "words": ["two words", ""], "folder": str(place), "stage": "1",
        "is_main": True, "has_wave": True,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("told", "status", "said"),
    [("end 3", "3", ""), ("end 'in words'", "1", "in words\n"), ("die", "137", "Killed\n")],
)
def test_a_fork_ends_as_the_stage_by_itself(place: Path, told: str, status: str, said: str) -> None:
    alone = ran(place, f"train {told}")
    lines, error = ran(place, FIRST, f"train {told}")
    assert (lines[1:], error) == alone == ([f"status {status}"], said)


def test_a_fork_runs_the_code_as_it_is_now(place: Path) -> None:
    edit = "sed -i s/sys.exit/os._exit/ pipeline/stages/train.py"
    lines, error = ran(place, FIRST, f"report end 0; {edit}", "train end 4")
    assert (lines, error) == (["status 0", "status 0", "status 4"], "")


def test_the_server_ends_with_its_dvc(place: Path) -> None:
    ran(place, FIRST, "train end 0")
    wait_for(lambda: not servers(place))


def test_ctrl_c_reaches_a_fork(place: Path) -> None:
    replace(place / "pipeline/stages/train.py", "sys.exit(130)", "sys.exit('interrupted')")
    dvc = begun(place, FIRST, "train sleep")
    sleeper(place)
    os.killpg(dvc.pid, signal.SIGINT)
    out, error = dvc.communicate(timeout=20)
    assert out in ("status 0\nstatus 1\n", "status 0\nstatus -2\n")  # some shells hear it too
    assert error == "interrupted\n"
    wait_for(lambda: not servers(place))


def test_a_fork_ignores_ctrl_c_where_the_stage_would(place: Path) -> None:
    replace(place / "dvc", "for number", "signal.signal(signal.SIGINT, signal.SIG_IGN)\nfor number")
    replace(place / "pipeline/stages/train.py", "float(30)", "1")
    dvc = begun(place, FIRST, "train sleep")
    sleeper(place)
    os.killpg(dvc.pid, signal.SIGINT)
    assert dvc.communicate(timeout=20) == ("status 0\nstatus 0\n", "")


def test_a_fork_is_killed_with_its_stage(place: Path) -> None:
    dvc = begun(place, FIRST, "train sleep")
    sleeper(place)
    (stage,) = in_folder(place, "pipeline.stages.train")
    os.kill(stage, signal.SIGTERM)
    assert dvc.communicate(timeout=20)[0] == "status 0\nstatus 143\n"
    wait_for(lambda: not servers(place))


def test_where_the_server_is_killed_a_stage_says_so_and_leaves_nothing(place: Path) -> None:
    dvc = begun(place, FIRST, "train sleep")
    fork = sleeper(place)
    (server,) = set(servers(place)) - {fork}
    os.kill(server, signal.SIGKILL)
    out, error = dvc.communicate(timeout=20)
    assert out == "status 0\nstatus 1\n"
    assert error == "error: the process that stages are forked from was killed: run again\n"
    wait_for(lambda: not servers(place))


def test_a_stage_goes_on_without_its_dvc_and_ends_its_server(place: Path) -> None:
    replace(place / "pipeline/stages/train.py", "float(30)", "1")
    dvc = begun(place, FIRST, "train sleep")
    sleeper(place)
    dvc.kill()
    dvc.wait()
    assert len(servers(place)) == 2
    dvc.communicate()  # until nobody holds its streams
    wait_for(lambda: not servers(place))


@pytest.mark.parametrize(
    ("first", "old", "new"),
    [
        ("train end 0", "os.pidfd_open(owner)", "0 / 0"),  # a system that cannot
        ("train end 0", "'wave'", "'no_such_library'"),
        (FIRST, "os.fork()", "os.pidfd_open(-1)"),  # OSError: no more processes
    ],
)
def test_where_no_fork_can_be_a_stage_runs_by_itself(
    place: Path, first: str, old: str, new: str
) -> None:
    replace(place / "pipeline/workspace/forks.py", old, new)
    lines, error = ran(place, first, "train tell")
    assert (lines[0], lines[2], error) == ("status 0", "status 0", "typed\n")
    assert "forks" not in json.loads(lines[1])["parent"]


def test_what_a_fork_leaves_to_the_end_is_done(place: Path) -> None:
    leave = "import atexit; atexit.register(print, 'at the end')\nif __name__"
    replace(place / "pipeline/stages/train.py", "if __name__", leave)
    lines, _ = ran(place, FIRST, "train end 0")
    assert lines[2:] == ["at the end", "status 0"]


def test_output_that_is_lost_fails(place: Path) -> None:
    replace(
        place / "pipeline/stages/train.py", "    sys.exit(int", "    print(1)\n    sys.exit(int"
    )
    alone = ran(place, "train end 0 > /dev/full")
    lines, _ = ran(place, FIRST, "train end 0 > /dev/full")
    assert lines[1:] == alone[0] != ["status 0"]


def test_the_socket_of_a_killed_server_is_forgotten(place: Path) -> None:
    (place / ".cache").mkdir()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(place / ".cache/forks-1-1"))
    ran(place, FIRST, "train end 0")
    wait_for(lambda: not servers(place))
    assert list((place / ".cache").iterdir()) == []


def test_a_cache_that_is_no_folder_keeps_no_stage_from_running(place: Path) -> None:
    (place / ".cache").symlink_to("nowhere")
    assert ran(place, "train end 0", "train end 0") == (["status 0", "status 0"], "")


def test_stages_of_dvc_itself_are_forked(place: Path) -> None:
    commands = [FIRST, "train tell"]
    stages = {f"s{n}": f"python -m pipeline.stages.{command}" for n, command in enumerate(commands)}
    text = {"stages": {name: {"cmd": command} for name, command in stages.items()}}
    (place / "dvc.yaml").write_text(json.dumps(text))
    (place / "dvc").unlink()  # the real one is meant
    project = Project(place)
    project.run("dvc", "init", "--no-scm", "--quiet")
    assert "pipeline.workspace.forks" in project.repro()
    wait_for(lambda: not servers(place))


def test_what_needs_no_torch_starts_no_server(place: Path) -> None:
    assert nobody_serves(place, "report sleep")


def test_a_stage_by_hand_starts_no_server(place: Path) -> None:
    replace(place / "dvc", '{"DVC_STAGE": str(number)}', "{}")
    assert nobody_serves(place, "train sleep")


def nobody_serves(place: Path, stage: str) -> bool:
    """Whether no server runs beside a stage that sleeps."""
    dvc = begun(place, stage)
    sleeps = sleeper(place)
    is_so = not servers(place)
    os.kill(sleeps, signal.SIGKILL)
    dvc.communicate()
    return is_so
