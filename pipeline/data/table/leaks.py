"""Does a table give its answer away? By one column that is the target under another name, or by
rows that stand in two parts."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from pipeline.data.examples import Array, Examples
from pipeline.data.table.columns import Loaded
from pipeline.data.table.encoding import Encoded

NEARLY = 0.99
"""A column whose score alone is above this predicts the target nearly perfectly."""
SHARE_LEFT = 0.1
"""And of the error that the commonest class makes it leaves at most this share."""
FEWEST = 30
"""Fewer validation rows than this may all be right by chance."""
LOOKED_AT = 20_000
"""So many rows of a part tell."""
SPLITS = 64
"""Leaves of the tree that looks at one column."""
FINE = 3
REPEATED = 0.01
"""More than this share of repeated rows is worth a word."""


def digests(columns: Sequence[Loaded]) -> Array:
    """A number for each row that equal rows share: uint64 (rows,)."""
    total = np.zeros(len(columns[0].numbers), dtype=np.uint64)
    for column in columns:
        own = pd.util.hash_array(np.asarray(column.numbers, dtype=np.float64))
        total = total * np.uint64(0x9E3779B97F4A7C15) + own
    return total


def first_of_equals(rows: Array, digest: Array) -> Array:
    """The rows, ascending, without those that repeat an earlier one."""
    return rows[np.sort(np.unique(digest[rows], return_index=True)[1])]


def repeated_words(
    columns: Sequence[Loaded], parts: Mapping[str, Array], digest: Array
) -> list[str]:
    """How many validation and test rows also stand in the training part, where many do; none of a
    table so coarse that rows meet by chance."""
    if not any(is_fine(column) for column in columns):
        return []
    rest = np.concatenate([parts["val"], parts["test"]])
    repeated = int(np.isin(digest[rest], digest[parts["train"]]).sum())
    if repeated <= REPEATED * len(rest):
        return []
    return [
        f"{repeated:,} of {len(rest):,} validation and test rows also stand in the training part, "
        "target and all: scores say how well rows are remembered; data.table.duplicates=drop keeps "
        "one of each"
    ]


def is_fine(column: Loaded) -> bool:
    """Whether a column has nearly as many values as rows, each counted FINE times."""
    return FINE * len(np.unique(column.numbers)) >= len(column.numbers)


def revealing_words(
    names: Sequence[str], encoded: Sequence[Encoded], parts: Mapping[str, Examples], task: str
) -> list[str]:
    """The columns that alone predict the target nearly perfectly. parts: all features."""
    train, val = (evenly(parts[name]) for name in ("train", "val"))
    if len(val.y) < FEWEST:
        return []
    words, start = [], 0
    for name, column in zip(names, encoded, strict=True):
        end = start + len(column.features)
        score = alone(train, val, slice(start, end), task) if column.features else 0.0
        start = end
        if score > needed(train.y, task):
            words.append(
                f"{name!r} alone predicts the target nearly perfectly ("
                f"{'accuracy' if task == 'classification' else 'R²'} {score:.4g}): is it known "
                f"before the target is? data.table.drop=[{name}] leaves it out"
            )
    return words


def alone(train: Examples, val: Examples, columns: slice, task: str) -> float:
    """The validation score of a small tree on some of the features."""
    kind = DecisionTreeClassifier if task == "classification" else DecisionTreeRegressor
    tree = kind(max_leaf_nodes=SPLITS, random_state=0).fit(train.x[:, columns], train.y)
    return float(tree.score(val.x[:, columns], val.y))


def needed(targets: Array, task: str) -> float:
    """The score above which one column says too much."""
    if task == "regression":
        return NEARLY
    commonest = np.bincount(targets).max() / len(targets)
    return float(max(NEARLY, 1 - SHARE_LEFT * (1 - commonest)))


def evenly(part: Examples) -> Examples:
    """At most LOOKED_AT of the rows, evenly spaced."""
    return part.take(np.arange(0, len(part), max(1, -(-len(part) // LOOKED_AT))))
