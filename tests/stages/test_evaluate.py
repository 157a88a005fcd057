"""Tasks spread over processes: in order, and told where one of them dies."""

import os
import signal
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from makers.processes import fresh
from pipeline.executors.processes import ProcessDiedError
from pipeline.params.load import Params
from pipeline.solutions.examine import Examination, Task
from pipeline.stages import evaluate

pytestmark = pytest.mark.slow
TASKS: list[Task] = [("baseline", size) for size in (4, 8, 16)]


def spread_over_processes(lost: int) -> Any:
    """The sizes that were examined, or what is said when the process of one is killed."""

    def examination(_: object, task: Task) -> Examination:
        if task[1] == lost:
            os.kill(os.getpid(), signal.SIGKILL)
        return Examination(seconds={str(task[1]): 1.0})

    evaluate.examine.examination = examination  # type: ignore[assignment]
    archive: Any = SimpleNamespace(device=torch.device("cpu"), params=Params())
    try:
        return [list(done.seconds) for done in evaluate.spread(archive, TASKS, lambda _: None)]
    except ProcessDiedError as error:
        return str(error)


def test_tasks_come_back_in_order() -> None:
    assert fresh(spread_over_processes, 0) == [["4"], ["8"], ["16"]]


def test_a_killed_process_is_told() -> None:
    said = fresh(spread_over_processes, 8)
    assert said == "a worker process was killed by SIGKILL before it was done"
