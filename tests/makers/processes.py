"""Functions in a process of their own."""

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

Result = TypeVar("Result")
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["pipeline.lanes.trainings", "pipeline.solutions.examine"])


def unheard(_: int) -> None:
    """Progress that nobody listens to."""


def fresh(function: Callable[..., Result], *arguments: object) -> Result:
    """Run in a new process: one that has run autograd can fork no workers.

    It is forked from a server that has imported the libraries and done nothing else.
    """
    with ProcessPoolExecutor(1, CONTEXT) as pool:
        return pool.submit(function, *arguments).result()
