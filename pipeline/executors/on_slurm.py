"""Tasks as an array of Slurm jobs, on nodes that share this folder.

submitit writes each task to a file and submits the array; a job that is preempted, or whose node
died, is queued again and goes on from what its task has kept. Jobs tell how far they are, and what
came of them, in files.
"""

import getpass
import hashlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import InputError
from pipeline.executors.counts import Heard, Telling
from pipeline.executors.executor import EnoughError, Task, Work
from pipeline.executors.processes import OnDone, sendable
from pipeline.executors.versions import check, versions
from pipeline.params.protocol import Resources, Slurm
from pipeline.workspace import files

if TYPE_CHECKING:
    from submitit import Job
    from submitit.helpers import DelayedSubmission

FOLDER = Path(".cache/slurm")
LOOK_SECONDS = 1.0
ASK_SECONDS = 10.0
"""How often the queue is asked; a busy one wants no more."""
LATE_SECONDS = 30.0
"""So long after its end a job's result may appear on a shared disk."""
TELL_SECONDS = 1.0
NAME = "batchwise"
MOST_TIMEOUTS = 1000
"""How often a job may come to the end of its time and be queued again."""
PATIENCE = 6
"""So many times in a row a busy controller may not answer."""
WAITING = ("PENDING", "RUNNING", "SUSPENDED", "CONFIGURING", "COMPLETING", "REQUEUED", "RESIZING",
           "STAGE_OUT", "STOPPED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT", "SIGNALING",
           "PREEMPTED")  # fmt: skip
"""States from which a job may still give a result."""


@dataclass(frozen=True)
class OnSlurm:
    """What jobs are submitted with."""

    slurm: Slurm
    resources: Resources

    def slots(self) -> int:
        """How many jobs run at once."""
        return self.slurm.at_once

    def run(self, work: Work, on_done: OnDone) -> list[Any]:
        """What the tasks give, in their order."""
        label = FOLDER / work.label.replace(" ", "-")
        if self.slurm.cluster == "slurm" and label.is_dir():  # of a stage that was killed or failed
            end_jobs(f"--user={getpass.getuser()}", f"--name={job_name(label)}")
        label.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=label))  # jobs that end slowly still write into theirs
        ours = versions()
        tasks = [
            Requeued(task, ours, (folder / f"{number}.done").absolute())
            for number, task in enumerate(work.tasks)
        ]
        jobs = self.submitted(tasks, folder)
        try:
            results = Watched(work, jobs, [task.told for task in tasks], Heard(on_done)).all()
            shutil.rmtree(label, ignore_errors=True)  # logs are for failures
            return results
        finally:
            if self.slurm.cluster == "slurm":
                end_jobs(jobs[0].job_id.split("_")[0])
            else:
                for job in jobs:
                    end_with_children(int(job.job_id))

    def submitted(self, tasks: "Sequence[Requeued]", folder: Path) -> "list[Job[Any]]":
        """The tasks in the queue."""
        try:
            import submitit
        except ImportError:
            raise InputError("impl.executor: 'slurm' needs `pip install -e '.[slurm]'`") from None
        try:
            queue = submitit.AutoExecutor(
                folder, cluster=self.slurm.cluster, slurm_max_num_timeout=MOST_TIMEOUTS
            )
            queue.update_parameters(**self.parameters(folder.parent))
            with queue.batch():
                return [queue.submit(task) for task in tasks]
        except (RuntimeError, ValueError, OSError, submitit.core.utils.FailedJobError) as error:
            words = " ".join(str(error).split())[:300]
            raise InputError(f"slurm: nothing could be submitted: {words}") from None

    def parameters(self, label: Path) -> dict[str, Any]:
        """As submitit takes them."""
        slurm, needs = self.slurm, self.resources
        asked: dict[str, Any] = {"name": job_name(label), "timeout_min": slurm.minutes}
        asked["cpus_per_task"] = int(needs.cpus)
        if needs.gpus:
            asked["gpus_per_node"] = int(needs.gpus)
        if self.slurm.cluster == "slurm":
            asked["slurm_array_parallelism"] = slurm.at_once
            asked["slurm_additional_parameters"] = {"requeue": True, **slurm.options}
        return asked


@dataclass
class ToFile(Telling):
    """What a task tells goes into a file; what it keeps lies on the shared disk already."""

    told: Path
    every_seconds = TELL_SECONDS

    def tell(self) -> None:
        """Write how much is done."""
        with suppress(OSError):  # of a job that is queued again, and still writes, too
            files.write_text(self.told, str(self.done))

    def keep(self, path: Path) -> None:
        """It is where it is looked for."""

    def fetch(self, path: Path) -> None:
        """It is where it is looked for."""


@dataclass(frozen=True)
class Requeued:
    """A task on a node: it tells in a file how far it is, and is queued again when its job is
    told to make room."""

    task: Task
    ours: Mapping[str, str]
    told: Path

    def __call__(self) -> tuple[str, Any]:
        """What the task gave, or the exception that it raised; not submitit's own, which says that
        a job's time has come to its end."""
        from submitit.core.utils import UncompletedJobError

        try:
            check(os.uname().nodename, versions(), self.ours)
            return "done", self.task(ToFile(self.told))
        except UncompletedJobError:
            raise
        except Exception as error:
            return "failed", sendable(error)

    def checkpoint(self) -> "DelayedSubmission":
        """What is submitted again: the same."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


@dataclass
class Watched:
    """Jobs in the queue, and the files in which they tell how far they are."""

    work: Work
    jobs: "Sequence[Job[Any]]"
    told: Sequence[Path]
    heard: Heard
    unanswered: int = 0

    def all(self) -> list[Any]:
        """What the jobs gave, in their order."""
        results: dict[int, Any] = {}
        ended_at: dict[int, float] = {}
        asked_at = time.monotonic()
        while len(results) < len(self.jobs):
            time.sleep(LOOK_SECONDS)
            if self.work.is_enough():
                raise EnoughError
            waiting = [number for number in range(len(self.jobs)) if number not in results]
            for number in waiting:
                self.listen(number)
                if self.jobs[number].paths.result_pickle.is_file():
                    results[number] = self.result(number)
            if time.monotonic() - asked_at > ASK_SECONDS:
                asked_at = time.monotonic()
                over = [number for number in self.over(waiting) if number not in results]
                ended_at = {number: ended_at.get(number, asked_at) for number in over}
                for number, since in ended_at.items():
                    if asked_at - since > LATE_SECONDS:
                        raise self.lost(number)
        return [results[number] for number in range(len(self.jobs))]

    def listen(self, number: int) -> None:
        """Hear how far a job is."""
        with suppress(OSError, ValueError):
            self.heard.hear(number, int(self.told[number].read_text()))

    def result(self, number: int) -> Any:
        """What a job gave.

        Raises what its task raised, and InputError where the job failed otherwise.
        """
        error = self.jobs[number].exception()
        if error is not None:
            raise self.lost(number)
        kind, content = self.jobs[number].result()
        if kind == "failed":
            raise content
        return content

    def over(self, waiting: Sequence[int]) -> list[int]:
        """Those of the jobs that will run no more, as far as the queue answers.

        Raises InputError where it has not answered several times in a row.
        """
        from submitit import SlurmJob

        if not isinstance(self.jobs[0], SlurmJob):
            return [number for number in waiting if self.jobs[number].done()]
        try:
            states = states_of(self.jobs[0].job_id.split("_")[0])
        except InputError:
            self.unanswered += 1
            if self.unanswered >= PATIENCE:
                raise
            return []
        self.unanswered = 0
        return [
            number
            for number in waiting
            if states.get(self.jobs[number].job_id, "GONE") not in WAITING
        ]

    def lost(self, number: int) -> InputError:
        """The error that says that a job gave nothing, and where to read on."""
        job = self.jobs[number]
        return InputError(f"{self.work.label}: job {job.job_id} gave nothing ({job.paths.stderr})")


def job_name(label: Path) -> str:
    """Under which the jobs of a stage stand in the queue: those of this folder's stage alone."""
    return f"{NAME}-{hashlib.sha256(str(label.absolute()).encode()).hexdigest()[:12]}"


def end_jobs(*which: str) -> None:
    """End jobs, an array by its number or all of a stage by their name: one that was killed may
    not have known their number yet."""
    with suppress(FileNotFoundError):  # without Slurm, of which submitting tells
        subprocess.run(["scancel", "--quiet", *which], check=False)


def states_of(array: str) -> dict[str, str]:
    """The states of an array's jobs, by ARRAY_NUMBER; of those that the queue still knows.

    Raises InputError where the queue cannot be asked.
    """
    command = ["squeue", "--noheader", "--array", "--states=all", f"--jobs={array}"]
    command.append("--format=%i %T")
    answer = subprocess.run(command, check=False, capture_output=True, text=True)
    if answer.returncode and "Invalid job id" not in answer.stderr:
        raise InputError(f"slurm: squeue failed: {' '.join(answer.stderr.split())}")
    return dict(line.split() for line in answer.stdout.splitlines())


def end_with_children(pid: int) -> None:
    """End a process of this machine and all that it has started."""
    import psutil

    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        for each in (*process.children(recursive=True), process):
            each.kill()
