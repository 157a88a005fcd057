"""Functions in a process of their own."""

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

Result = TypeVar("Result")


def unheard(_: int) -> None:
    """Progress that nobody listens to."""


def fresh(function: Callable[..., Result], *arguments: object) -> Result:
    """Run in a new process: one that has run autograd can fork no workers."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()
