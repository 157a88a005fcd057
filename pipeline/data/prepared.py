"""A data set that was read, split and encoded, whatever it came from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.data.columns import Column
from pipeline.data.sources import Examples


@dataclass(frozen=True)
class Prepared:
    """Three parts of inputs and targets, and what became of the source on the way.

    features: of tables, a name for each input; of images, one for each channel. columns: of a
    user's table, what each column was taken for. fitted: what was learnt of the training rows to
    encode them, by column. notes: what a reader should know.
    """

    task: str
    parts: Mapping[str, Examples]
    features: tuple[str, ...]
    classes: tuple[str, ...]
    columns: tuple[Column, ...] = ()
    fitted: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
