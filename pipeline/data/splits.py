"""Three parts of a data set, drawn from the seed alone."""

from dataclasses import dataclass

import numpy as np
from sklearn.model_selection import train_test_split

from pipeline.data.sources import Array, Examples, Source
from pipeline.errors import InputError
from pipeline.params import Data


@dataclass(frozen=True)
class Parts:
    """What is trained on, chosen by, and reported on."""

    train: Examples
    val: Examples
    test: Examples

    def items(self) -> list[tuple[str, Examples]]:
        """The parts by name, in reading order."""
        return [("train", self.train), ("val", self.val), ("test", self.test)]


def split(source: Source, data: Data, seed: int) -> Parts:
    """Split by ``data.split``, stratified by class for classification.

    Raises InputError when a class has too few examples for three parts.
    """
    classification = data.task == "classification"
    rows = np.arange(len(source.examples))
    if source.test is not None and data.split.test == "official":
        train, val = _cut(rows, data.split.val, source.examples.y, classification, seed)
        test_part = source.test
    else:
        rest, test = _cut(rows, data.split.test, source.examples.y, classification, seed)
        share = data.split.val / (data.split.train + data.split.val)
        train, val = _cut(rest, share, source.examples.y, classification, seed)
        test_part = source.examples.take(test)
    return Parts(source.examples.take(train), source.examples.take(val), test_part)


def _cut(
    rows: Array, share: float, labels: Array, stratified: bool, seed: int
) -> tuple[Array, Array]:
    try:
        kept, cut = train_test_split(
            rows,
            test_size=share,
            random_state=seed,
            stratify=labels[rows] if stratified else None,
        )
    except ValueError as error:  # too few rows of a class; scikit-learn's text names the numbers
        raise InputError(f"data.split: {error}") from None
    return np.sort(kept), np.sort(cut)
