"""Inputs and targets as found, before any split: what every source gives.

Images stay uint8, shaped (examples, channels, height, width); tables are float64, shaped
(examples, features); a user's arrays may be float32. Labels are int64 from 0, regression targets
float64. Of a text both are tokens, uint8 or int32, shaped (windows, context).
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from pipeline.errors import InputError

FEW_VALUES = 20
"""A target of whole numbers with at most so many values is taken for classes."""
CHUNK_BYTES = 1 << 24
Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Rows:
    """Some rows of an array that stays in its file, read where they are sliced; as an array for
    whoever asks for no more."""

    array: Array
    rows: Array

    @property
    def shape(self) -> tuple[int, ...]:
        """As of the rows in memory."""
        return (len(self.rows), *self.array.shape[1:])

    @property
    def ndim(self) -> int:
        """As of the array."""
        return self.array.ndim

    @property
    def dtype(self) -> np.dtype[Any]:
        """As of the array."""
        return self.array.dtype

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, places: slice) -> Array:
        return self.array[self.rows[places]]


@dataclass(frozen=True)
class Examples:
    """Inputs and targets, row by row; inputs may lie in a file."""

    x: Array
    y: Array

    def __post_init__(self) -> None:
        if len(self.x) != len(self.y):
            raise InputError(f"data: {len(self.x)} inputs but {len(self.y)} targets")
        if not all(np.isfinite(chunk).all() for chunk in chunks(self.x)):
            raise InputError("data: an input is not finite")

    def __len__(self) -> int:
        return len(self.x)

    def take(self, rows: Array) -> "Examples":
        """The given rows, in their order; those of a file stay there."""
        if isinstance(self.x, np.memmap):
            return Examples(cast(Array, Rows(self.x, rows)), self.y[rows])
        if isinstance(self.x, Rows):
            return Examples(cast(Array, Rows(self.x.array, self.x.rows[rows])), self.y[rows])
        return Examples(self.x[rows], self.y[rows])


def chunks(x: Array) -> Iterator[Array]:
    """Consecutive rows, no more at a time than CHUNK_BYTES hold."""
    row_bytes = x.dtype.itemsize * math.prod(x.shape[1:])
    rows = max(1, CHUNK_BYTES // max(1, row_bytes))
    for start in range(0, len(x), rows):
        yield x[start : start + rows]


@dataclass(frozen=True)
class Source:
    """A data set as found: ``test`` only where the source has a test set of its own, ``classes``
    only for classification; ``notes`` are what a reader should know."""

    examples: Examples
    features: tuple[str, ...]
    classes: tuple[str, ...]
    test: Examples | None = None
    notes: tuple[str, ...] = ()
