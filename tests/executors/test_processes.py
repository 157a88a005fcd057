"""The pool: results in order, no error lost, whatever becomes of a child."""

import os
import signal
import sys
import time
from collections.abc import Sequence

import pytest

from makers.processes import unheard
from pipeline.executors.processes import (
    Job,
    OnDone,
    ProcessDiedError,
    available_cores,
    dealt,
    in_processes,
)


class OddError(Exception):
    """An exception that pickle cannot make again."""

    def __init__(self, one: int, other: int) -> None:
        super().__init__(f"{one} and {other}")


def test_results_come_in_the_order_of_the_jobs() -> None:
    def job(place: int) -> int:
        time.sleep(0.05 * (3 - place))
        return place

    jobs = [lambda _, place=place: job(place) for place in range(4)]
    assert in_processes(jobs, unheard) == [0, 1, 2, 3]


def test_progress_is_heard_here() -> None:
    def job(on_done: OnDone) -> None:
        for _ in range(3):
            on_done(2)

    heard: list[int] = []
    in_processes([job, job], heard.append)
    assert sum(heard) == 12


def test_a_killed_child_is_told_and_ends_the_others() -> None:
    def killed(_: OnDone) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    start = time.perf_counter()
    with pytest.raises(ProcessDiedError, match="was killed by SIGKILL before it was done"):
        in_processes([lambda _: time.sleep(60), killed], unheard)
    assert time.perf_counter() - start < 30  # far from a timing: the other would sleep for 60


def test_a_child_that_leaves_is_told() -> None:
    with pytest.raises(ProcessDiedError, match="ended with status 3 before it was done"):
        in_processes([lambda _: os._exit(3)], unheard)


def test_an_error_comes_with_its_traceback() -> None:
    def fail(_: OnDone) -> None:
        raise ValueError("three is no crowd")

    with pytest.raises(ValueError, match="three is no crowd") as error:
        in_processes([fail], unheard)
    assert "in fail" in "".join(error.value.__notes__)


def test_an_error_that_cannot_be_sent_comes_in_words() -> None:
    def fail(_: OnDone) -> None:
        raise OddError(1, 2)

    with pytest.raises(RuntimeError, match="OddError: 1 and 2") as error:
        in_processes([fail], unheard)
    assert "in fail" in "".join(error.value.__notes__)


def test_a_child_that_asks_to_leave_is_an_error() -> None:
    with pytest.raises(SystemExit):
        in_processes([lambda _: sys.exit(2)], unheard)


def test_a_result_that_cannot_be_sent_is_an_error() -> None:
    with pytest.raises((AttributeError, TypeError, RuntimeError)):
        in_processes([lambda _: lambda: None], unheard)


@pytest.mark.parametrize("count", [0, 1, 2, 7])
def test_items_are_dealt_and_come_back_in_order(count: int) -> None:
    heard: list[int] = []

    def job_of(share: Sequence[int]) -> Job:
        def job(on_done: OnDone) -> list[tuple[int, int]]:
            on_done(len(share))
            return [(item, os.getpid()) for item in share]

        return job

    found = dealt(range(count), job_of, heard.append)
    assert [item for item, _ in found] == list(range(count))
    assert sum(heard) == count
    assert len({process for _, process in found}) == min(count, available_cores())


def test_nothing_to_do_is_done_at_once() -> None:
    assert in_processes([], unheard) == []
