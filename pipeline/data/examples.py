"""Inputs and targets as found, before any split: what every source gives.

Images stay uint8, shaped (examples, channels, height, width); tables are float64, shaped
(examples, features). Labels are int64 from 0, regression targets float64. Of a text both are
tokens, uint8 or int32, shaped (windows, context).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.errors import InputError

FEW_VALUES = 20
"""A target of whole numbers with at most so many values is taken for classes."""
Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Examples:
    """Inputs and targets, row by row."""

    x: Array
    y: Array

    def __post_init__(self) -> None:
        if len(self.x) != len(self.y):
            raise InputError(f"data: {len(self.x)} inputs but {len(self.y)} targets")
        if not np.isfinite(self.x).all():
            raise InputError("data: an input is not finite")

    def __len__(self) -> int:
        return len(self.x)

    def take(self, rows: Array) -> "Examples":
        """The given rows, in their order."""
        return Examples(self.x[rows], self.y[rows])


@dataclass(frozen=True)
class Source:
    """A data set as found: ``test`` only where the source has a test set of its own, ``classes``
    only for classification; ``notes`` are what a reader should know."""

    examples: Examples
    features: tuple[str, ...]
    classes: tuple[str, ...]
    test: Examples | None = None
    notes: tuple[str, ...] = ()
