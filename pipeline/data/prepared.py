"""A data set that was read, split and encoded, whatever it came from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.data.examples import Array, Examples
from pipeline.data.table.columns import Column
from pipeline.errors import InputError


@dataclass(frozen=True)
class Prepared:
    """Three parts of inputs and targets, and what became of the source on the way.

    features: of tables, a name for each input; of images, one for each channel. columns: of a
    user's table, what each column was taken for. fitted: what was learnt of the training rows to
    encode them, by column. notes: what a reader should know; warnings: before believing a score.
    """

    task: str
    parts: Mapping[str, Examples]
    features: tuple[str, ...]
    classes: tuple[str, ...]
    columns: tuple[Column, ...] = ()
    fitted: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        targets = self.parts["train"].y
        if len(targets) == 0 or (targets == targets.flat[0]).all():
            value = targets.flat[0] if len(targets) else "absent"
            raise InputError(f"data.split: every target of the training part is {value}")

    def arrays(self) -> dict[str, Array]:
        """The parts' inputs and targets under the names train_x, train_y, val_x, ..."""
        return {
            f"{name}_{kind}": getattr(part, kind)
            for name, part in self.parts.items()
            for kind in ("x", "y")
        }
