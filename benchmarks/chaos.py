"""What a study survives: each fault is done to a fresh copy of a small one, which then runs again.

    python -m benchmarks.chaos [--kills 100] [--only FAULT ...] [--seed 0]

Everything happens on this machine: a Ray cluster and a Slurm queue of processes, small file systems
in memory (which need root). A fault has passed where the run after it leaves the bytes of one that
nothing happened to, and no process; what was said meanwhile is shown.
"""

import argparse
import hashlib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from makers import slurm  # noqa: E402
from makers.cluster import cluster  # noqa: E402
from makers.project import Project, copy_project, shrink  # noqa: E402

MARK = "BATCHWISE_CHAOS"
"""In the environment of all processes of a fault, by which those that are left are found."""
STAGE = ("python", "-m", "pipeline.stages.train", "baseline", "32")
RUN = Path("runs/baseline-32")
NODES, KILLED_NODES, CELLS = 16, 4, 1000


@dataclass
class Outcome:
    """How often a fault was done, how often the bytes were the same after it, what was said."""

    fault: str
    times: int = 0
    same: int = 0
    said: set[str] = field(default_factory=set)
    left: int = 0

    def row(self) -> str:
        """A line of the table."""
        said = "; ".join(sorted(self.said)) or "–"
        return f"| {self.fault} | {self.times} | {self.same} | {self.left} | {said} |"


@dataclass(frozen=True)
class Bench:
    """The small study that faults are done to.

    reference: the digests of what its stage leaves; seconds: how long the stage takes.
    """

    base: Project
    folder: Path
    reference: dict[str, str]
    seconds: float
    rng: random.Random

    @contextmanager
    def copy(self, *overrides: str) -> Iterator[Project]:
        """A fresh copy, composed anew where something is overridden."""
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        shutil.rmtree(folder)
        shutil.copytree(self.base.folder, folder, symlinks=True)
        project = Project(folder)
        if overrides:
            project.compose(*COMPOSED, *overrides)
            project.run("python", "-m", "pipeline.stages.inputs")
        yield project
        shutil.rmtree(folder, ignore_errors=True)

    def moment(self) -> float:
        """A moment of the stage at random, in seconds from its start."""
        return self.rng.uniform(0.3, 0.95) * self.seconds

    def is_same(self, project: Project) -> bool:
        """Whether the stage has left the bytes of the one that nothing happened to."""
        return digests(project.folder / RUN) == self.reference


COMPOSED = (
    "budget.min_steps=4000", "grid.batch_size=[32]", "grid.seeds=1", "impl.checkpoint_seconds=0.2",
)  # fmt: skip


def digests(folder: Path) -> dict[str, str]:
    """Of the files of a folder."""
    files = sorted(folder.glob("*")) if folder.is_dir() else []
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def started(project: Project, *words: str) -> "subprocess.Popen[str]":
    """A command in a copy, in a group of its own."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    marked = {"PATH": path, "PYTHONPATH": str(project.folder), MARK: project.folder.name}
    return subprocess.Popen(
        words, cwd=project.folder, env={**os.environ, **marked}, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def ended(process: "subprocess.Popen[str]") -> str:
    """What a command said last, without numbers that differ from run to run."""
    _, said = process.communicate()
    lines = [line for line in said.splitlines() if line.strip()]
    told = [line for line in lines if line.startswith(("error:", "ERROR:")) or " damaged" in line]
    if told or not process.returncode or process.returncode < 0:
        return told[-1] if told else ""
    return f"traceback: {lines[-1]}" if lines else "nothing"


def in_short(said: str) -> str:
    """A message without the names and numbers that differ from run to run."""
    for pattern in (r"(?<=-)[0-9a-f]{16}-[0-9a-f]{24}", r"(?<=\bjob )[0-9_]+", r"\d+_\d+(?=_log)"):
        said = re.sub(pattern, "…", said)
    return said


def finish(bench: Bench, project: Project, outcome: Outcome) -> None:
    """Run the stage to its end, and note what came of it."""
    process = started(project, *STAGE)
    said = ended(process)
    outcome.times += 1
    outcome.same += process.returncode == 0 and bench.is_same(project)
    if said:
        outcome.said.add(f"the next run: {in_short(said)}")
    outcome.left += len(left_of(project))


def left_of(project: Project) -> list[int]:
    """The processes of a copy, and those of Ray's that train, that run still, seconds after its
    end."""
    mark = f"{MARK}={project.folder.name}".encode()
    for _ in range(10):
        found = [pid for pid in processes() if mark in read(pid, "environ").split(b"\0")]
        found += named("ray::train")
        if not found:
            return []
        time.sleep(0.3)
    return found


def processes() -> list[int]:
    """All that run."""
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def read(pid: int, name: str) -> bytes:
    """A file of a process; nothing where it is gone."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/{name}").read_bytes()
    return b""


def named(*words: str) -> list[int]:
    """The processes whose command line holds all words."""
    lines = {pid: read(pid, "cmdline").replace(b"\0", b" ").decode() for pid in processes()}
    return [pid for pid, line in lines.items() if all(word in line for word in words)]


def children(pid: int) -> list[int]:
    """The processes that one has started."""
    return [int(word) for word in read(pid, f"task/{pid}/children").split()]


def kill(pid: int, number: int = signal.SIGKILL) -> None:
    """Send a signal, if there still is a process."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)


# Faults: each is done to a copy, and leaves what the next run has to cope with.


def driver(bench: Bench, project: Project) -> str:
    """kill -9 of the stage."""
    process = started(project, *STAGE)
    time.sleep(bench.moment() + LATER.get(executor_of(project), 0.0))
    if process.poll() is not None:
        ended(process)
        raise MissedError
    process.kill()
    return ended(process)


LATER = {"ray": 2.0, "slurm": 3.0}
"""So many seconds later the pieces of a stage train there."""


def executor_of(project: Project) -> str:
    """Where a copy's pieces train."""
    return next(
        name
        for name in ("ray", "slurm", "local")
        if f"executor: {name}" in project.read("params.yaml")
    )


def with_checkpoints(bench: Bench, project: Project) -> list[Path]:
    """kill -9 of the stage as soon as there are any."""
    process, folder = started(project, *STAGE), project.folder / "checkpoints"
    while process.poll() is None and not list(folder.glob("*.safetensors")):
        time.sleep(0.01)
    process.kill()
    ended(process)
    return sorted(folder.glob("*.safetensors"))


def worker(bench: Bench, project: Project) -> str:
    """kill -9 of one of its processes."""
    process = started(project, *STAGE)
    time.sleep(bench.moment())
    return hit(process, children(process.pid))


def hit(process: "subprocess.Popen[str]", targets: list[int]) -> str:
    """kill -9 of one of them.

    Raises MissedError where there is none.
    """
    if not targets:
        ended(process)
        raise MissedError
    kill(targets[0])
    return ended(process)


class MissedError(Exception):
    """A fault came too early or too late to hit anything."""


def interrupted(bench: Bench, project: Project) -> str:
    """Ctrl-C, and again."""
    process = started(project, "dvc", "repro", "-s", "train@baseline-32")
    time.sleep(1 + bench.moment())
    for _ in range(2):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGINT)
        time.sleep(0.1)
    return ended(process)


def broken_checkpoint(bench: Bench, project: Project) -> str:
    """kill -9, then a few bytes of every checkpoint changed."""
    for path in with_checkpoints(bench, project):
        content = bytearray(path.read_bytes())
        for _ in range(3):
            content[bench.rng.randrange(len(content) // 2, len(content))] ^= 0xFF
        path.write_bytes(content)
    return ""


def cut_checkpoint(bench: Bench, project: Project) -> str:
    """kill -9, then every checkpoint cut in half."""
    for path in with_checkpoints(bench, project):
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return ""


def clock(bench: Bench, project: Project) -> str:
    """kill -9, then all files a year older or younger, as after a clock that jumped."""
    driver(bench, project)
    for path in project.folder.rglob("*"):
        moved = time.time() + bench.rng.choice((-1, 1)) * 365 * 86400
        with suppress(OSError):
            os.utime(path, (moved, moved), follow_symlinks=False)
    return ""


def full_disk(bench: Bench, project: Project) -> str:
    """Checkpoints on a file system of 64 kB."""
    with mounted(project.folder / "checkpoints", "size=64k"):
        process = started(project, *STAGE)
        return ended(process)


def full_disk_at_the_end(_: Bench, project: Project) -> str:
    """Results on a file system of 8 kB."""
    (project.folder / RUN).mkdir(parents=True)
    with mounted(project.folder / RUN, "size=8k"):
        return ended(started(project, *STAGE))


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[None]:
    """A file system in memory at a folder."""
    folder.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


def read_only_cache(_: Bench, project: Project) -> str:
    """A cache of DVC's that cannot be written."""
    with mounted(project.folder / ".dvc/cache", "ro"):
        return ended(started(project, "dvc", "repro", "-s", "train@baseline-32"))


def broken_parquet(_: Bench, project: Project) -> str:
    """A table of a finished stage cut in half."""
    ended(started(project, "dvc", "repro", "-s", "train@baseline-32"))
    path = project.folder / RUN / "history.parquet"
    path.unlink()
    path.write_bytes(b"PAR1 and nothing more")
    return ended(started(project, "dvc", "repro", "-s", "train@baseline-32"))


def broken_cache(_: Bench, project: Project) -> str:
    """An object of DVC's cache changed, and what it was of gone."""
    ended(started(project, "dvc", "repro", "-s", "train@baseline-32"))
    wanted = hashlib.md5((project.folder / RUN / "history.parquet").read_bytes()).hexdigest()
    path = project.folder / ".dvc/cache/files/md5" / wanted[:2] / wanted[2:]
    path.chmod(0o644)
    path.write_bytes(b"broken")
    shutil.rmtree(project.folder / RUN)
    return ended(started(project, "dvc", "repro", "-s", "train@baseline-32"))


def twice(_: Bench, project: Project) -> str:
    """Two `dvc repro` at once."""
    words = ("dvc", "repro", "-s", "train@baseline-32")
    first, second = started(project, *words), started(project, *words)
    return max(ended(first), ended(second))


def ray_worker(bench: Bench, project: Project) -> str:
    """kill -9 of a process of Ray's that trains."""
    process = started(project, *STAGE)
    time.sleep(2 + bench.moment())
    return hit(process, named("ray::train"))


def ray_node(bench: Bench, project: Project) -> str:
    """kill -9 of a node of Ray's."""
    process = started(project, *STAGE)
    time.sleep(2 + bench.moment())
    nodes = [pid for pid in named("raylet/raylet") if "--head" not in str(read(pid, "cmdline"))]
    bench.rng.shuffle(nodes)
    return hit(process, nodes if process.poll() is None else [])


def slow_node(_: Bench, project: Project) -> str:
    """A process of Ray's that gets a tenth of its time."""
    process = started(project, *STAGE)
    while process.poll() is None:
        for pid in named("ray::train")[:1]:
            kill(pid, signal.SIGSTOP)
            time.sleep(0.09)
            kill(pid, signal.SIGCONT)
        time.sleep(0.01)
    return ended(process)


def slurm_task(bench: Bench, project: Project) -> str:
    """kill -9 of a job's process."""
    process = started(project, *STAGE)
    time.sleep(3 + bench.moment())
    return hit(process, named("submitit.core._submit"))


def slurm_requeued(bench: Bench, project: Project) -> str:
    """A job that has to make room: it is queued again."""
    process = started(project, *STAGE)
    time.sleep(3 + bench.moment())
    jobs = queued()
    if not jobs:
        ended(process)
        raise MissedError
    subprocess.run(["scontrol", "requeue", jobs[0]], check=False)
    return ended(process)


def queued() -> list[str]:
    """The jobs that run."""
    words = ["squeue", "--noheader", "--states=R", "--format=%A"]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.split()


def slurm_node(bench: Bench, project: Project) -> str:
    """kill -9 of a node's daemon: Slurm takes the node for lost and queues its job again, which
    goes on running beside its successor."""
    process = started(project, *STAGE)
    time.sleep(3 + bench.moment())
    return hit(process, named("slurmd", "-N n2"))


Fault = Callable[[Bench, Project], str]
HERE: dict[str, Fault] = {
    "two repros at once": twice,
    "Ctrl-C twice": interrupted,
    "checkpoint with other bytes": broken_checkpoint,
    "checkpoint cut": cut_checkpoint,
    "clock jumps a year": clock,
    "full disk, of checkpoints": full_disk,
    "full disk, of results": full_disk_at_the_end,
    "read-only cache": read_only_cache,
    "broken table": broken_parquet,
    "broken object in the cache": broken_cache,
}
KILLS: dict[str, Fault] = {"kill -9: the stage": driver, "kill -9: a process": worker}
RAY_KILLS: dict[str, Fault] = {
    "kill -9: the stage, on Ray": driver,
    "kill -9: a process, on Ray": ray_worker,
}
ON_RAY: dict[str, Fault] = {"a node ten times as slow": slow_node}
ON_SLURM: dict[str, Fault] = {
    "kill -9: the stage, on Slurm": driver,
    "kill -9: a job": slurm_task,
    "a job queued again": slurm_requeued,
    "a node of Slurm's lost": slurm_node,
}


def done(name: str, fault: Fault, bench: Bench, times: int, *overrides: str) -> Outcome:
    """Do a fault some times."""
    outcome = Outcome(name)
    while outcome.times < times:
        with bench.copy(*overrides) as project:
            try:
                said = fault(bench, project)
            except MissedError:
                continue
            if said:
                outcome.said.add(in_short(said.replace(f"{project.folder}/", "")))
            finish(bench, project, outcome)
    print(outcome.row(), flush=True)
    return outcome


def made(folder: Path, rng: random.Random) -> Bench:
    """The study, and what its stage leaves where nothing happens."""
    project = copy_project(folder / "base")
    shrink(project)
    project.compose(*COMPOSED)
    project.repro("preprocess", "throughput", "inputs")
    with_reference = Project(folder / "reference")
    shutil.copytree(project.folder, with_reference.folder, symlinks=True)
    start = time.perf_counter()
    process = started(with_reference, *STAGE)
    said = ended(process)
    assert process.returncode == 0, said
    seconds = time.perf_counter() - start
    return Bench(project, folder, digests(with_reference.folder / RUN), seconds, rng)


def many_nodes(bench: Bench) -> Outcome:
    """A thousand cells over sixteen nodes of which four are killed: none lost, none twice."""
    rates = [round(0.01 * 1.3**k, 5) for k in range(10)]
    large = ("budget.min_steps=300", "budget.epochs=1", f"grid.lr={rates}", "grid.extensions=0",
             f"grid.seeds={CELLS // len(rates)}")  # fmt: skip
    outcome = Outcome(f"{CELLS} cells, {NODES} nodes, {KILLED_NODES} killed")
    with bench.copy(*large) as project:
        alone = ended(started(project, *STAGE))
        assert not alone, alone
        reference = digests(project.folder / RUN)
    with cluster(NODES) as address, bench.copy(*large, *on_ray(address)) as project:
        process = started(project, *STAGE)
        while len(named("ray::train")) < NODES // 2:
            time.sleep(0.2)
        for _ in range(KILLED_NODES):
            time.sleep(1)
            assert process.poll() is None, "the cells were trained before all nodes were killed"
            nodes = [pid for pid in named("raylet/raylet") if b"--head" not in read(pid, "cmdline")]
            kill(bench.rng.choice(nodes))
        said = ended(process)
        outcome.times = 1
        outcome.same = int(digests(project.folder / RUN) == reference)
        outcome.said |= {said} if said else set()
    print(outcome.row(), flush=True)
    return outcome


def on_ray(address: str) -> tuple[str, ...]:
    """The overrides that send a stage there."""
    return ("impl.executor=ray", f"impl.address='{address}'")


def main() -> None:
    """Do all faults, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()

    def wanted(faults: dict[str, Fault]) -> dict[str, Fault]:
        return {
            name: fault for name, fault in faults.items() if not asked.only or name in asked.only
        }

    share = max(1, asked.kills // (len(KILLS) + len(RAY_KILLS)))
    with tempfile.TemporaryDirectory() as scratch:
        bench = made(Path(scratch), random.Random(asked.seed))
        print(f"The stage takes {bench.seconds:.1f} s.\n", flush=True)
        print("| fault | times | same bytes | processes left | said |\n|---|---|---|---|---|")
        for name, fault in wanted(HERE).items():
            done(name, fault, bench, 1)
        for name, fault in wanted(KILLS).items():
            done(name, fault, bench, share)
        if wanted(RAY_KILLS | ON_RAY):
            with cluster(2) as address:
                for name, fault in wanted(RAY_KILLS).items():
                    done(name, fault, bench, share, *on_ray(address))
                for name, fault in wanted(ON_RAY).items():
                    done(name, fault, bench, 1, *on_ray(address))
        for name, fault in wanted({"a node killed": ray_node}).items():
            with cluster(3) as address:
                done(name, fault, bench, 2, *on_ray(address))
        if wanted({"many nodes": driver}):
            many_nodes(bench)
        if wanted(ON_SLURM) and slurm.missing() is None:
            folder = Path(scratch, "slurm")
            folder.mkdir()
            with slurm.queue(folder) as queue:
                os.environ["SLURM_CONF"] = str(queue.conf)
                for name, fault in wanted(ON_SLURM).items():
                    times = 1 if fault is slurm_node else 3
                    done(name, fault, bench, times, "impl.executor=slurm", "slurm.at_once=2")


if __name__ == "__main__":
    main()
