"""Examinations on the nodes of a cluster."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from threadpoolctl import threadpool_limits

from pipeline.executors.executor import Executor, Link, Work
from pipeline.executors.processes import OnDone
from pipeline.params.load import Params
from pipeline.solutions import examine
from pipeline.solutions.archive import Archive
from pipeline.solutions.examine import Examination, Task
from pipeline.training.device import one_thread
from pipeline.workspace import files

RESULTS = ("selection.csv", "confirm_lanes.parquet", "confirm.safetensors", "snapshots.csv",
           "snapshots.safetensors")  # fmt: skip
RUN = ("lanes.parquet", "weights.safetensors")


@dataclass(frozen=True)
class Examining:
    """A task of ``examine`` on a node, which reads what earlier stages wrote."""

    params: Params
    task: Task

    def __call__(self, link: Link) -> Examination:
        """What the task measures."""
        with one_thread(), threadpool_limits(1):
            archive = Archive(self.params, self.params.impl.device_there)
            done = examine.examination(archive, self.task)
        link.on_done(1)
        return done


def examined(
    executor: Executor, params: Params, tasks: Sequence[Task], on_done: OnDone
) -> list[Examination]:
    """Do all tasks; in their order."""
    work = [Examining(params, task) for task in tasks]
    return executor.run(Work("evaluate", work, inputs(params)), on_done)


def inputs(params: Params) -> list[Path]:
    """The files that examinations read."""
    runs = [files.run_folder(*pack) / name for pack in params.packs() for name in RUN]
    results = [files.RESULTS / name for name in RESULTS]
    return [*files.of_trainings(params), *results, *runs]
