"""Gradient descent on two variables, run exactly: a textbook's example of what a rate does."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

Floats = npt.NDArray[np.float64]
Function = Callable[[Floats], float]
DIFFERENCE = 1e-4
STEPS = 100


def numerical_gradient(function: Function, x: Floats) -> Floats:
    """Central differences, one coordinate at a time."""
    gradient = np.zeros_like(x)
    for k in range(len(x)):
        shift = np.zeros_like(x)
        shift[k] = DIFFERENCE
        gradient[k] = (function(x + shift) - function(x - shift)) / (2 * DIFFERENCE)
    return gradient


def descend(function: Function, start: tuple[float, float], rate: float) -> Floats:
    """The path of STEPS steps, (STEPS + 1, 2)."""
    path = [np.array(start, dtype=float)]
    for _ in range(STEPS):
        path.append(path[-1] - rate * numerical_gradient(function, path[-1]))
    return np.array(path)


def bowl(x: Floats) -> float:
    """x0^2 + x1^2."""
    return float(x[0] ** 2 + x[1] ** 2)


def saddle(x: Floats) -> float:
    """x0^2 - x1^2."""
    return float(x[0] ** 2 - x[1] ** 2)


@dataclass(frozen=True)
class Example:
    """One descent of the textbook."""

    name: str
    function: Function
    start: tuple[float, float]
    rate: float

    def path(self) -> Floats:
        """Where it goes."""
        return descend(self.function, self.start, self.rate)


EXAMPLES = (
    Example("rate 0.1", bowl, (-3.0, 4.0), 0.1),
    Example("rate 10", bowl, (-3.0, 4.0), 10.0),
    Example("rate 1e-10", bowl, (-3.0, 4.0), 1e-10),
    Example("saddle, rate 0.1", saddle, (-3.0, 0.0), 0.1),
)


def paths() -> pd.DataFrame:
    """Every step of every example."""
    tables = []
    for example in EXAMPLES:
        path = example.path()
        steps = pd.DataFrame({"step": range(len(path)), "x0": path[:, 0], "x1": path[:, 1]})
        tables.append(steps.assign(example=example.name))
    return pd.concat(tables, ignore_index=True)
