"""Three parts of a data set: which rows are trained on, chosen by, and reported on."""

from collections.abc import Sequence

import numpy as np
from sklearn.model_selection import GroupShuffleSplit, train_test_split

from pipeline.data.examples import Array
from pipeline.errors import InputError, require
from pipeline.params.data import Split

FEWEST = 3
"""Of a class: one for each part."""


def drawn(
    share: Split, labels: Array, classes: Sequence[str], seed: int, has_test: bool = False
) -> dict[str, Array]:
    """Rows of train, val and test, ascending; by the seed alone.

    labels: classes from 0, whose shares are kept, or targets where ``classes`` is empty. has_test:
    the test part lies elsewhere, and its rows are none.

    Raises InputError when a class has too few rows for three parts.
    """
    if classes:
        check_classes(labels, classes)
    rows, test = np.arange(len(labels)), np.arange(0)
    strata = labels if classes else None
    if not has_test:
        rows, test = _cut(rows, share.test, strata, seed)
    rest = share.val if has_test else share.val / (share.train + share.val)
    train, val = _cut(rows, rest, strata, seed)
    return {"train": train, "val": val, "test": test}


def sampled(limit: int | None, labels: Array, classes: Sequence[str], seed: int) -> Array:
    """At most ``limit`` rows, ascending, by the seed alone; all of them where it is None.

    labels: classes from 0, whose shares are kept as far as can be, or targets where ``classes`` is
    empty.
    """
    rows = np.arange(len(labels))
    if limit is None or limit >= len(rows):
        return rows
    counts = np.bincount(labels, minlength=len(classes)) if classes else np.zeros(1)
    can_share = min(limit, len(rows) - limit) >= len(classes) and counts.min() > 1
    return _cut(rows, limit, labels if can_share else None, seed)[1]


def check_limit(limit: int | None, labels: Array, classes: Sequence[str]) -> None:
    """Refuse a limit that leaves fewer rows, or of a class, than there are parts."""
    counts = np.bincount(labels, minlength=len(classes)) if classes else np.array([len(labels)])
    least = int(counts.argmin())
    of_class = f" of class {classes[least]!r}" if classes else ""
    rule = f"leaves {counts[least]} rows{of_class}, and three parts need at least {FEWEST}"
    require(limit is None or counts[least] >= FEWEST, "data.limit", limit, rule)


def check_classes(labels: Array, classes: Sequence[str]) -> None:
    """Refuse a class with fewer rows than there are parts, and a single one."""
    counts = np.bincount(labels, minlength=len(classes))
    least = int(counts.argmin())
    if counts[least] < FEWEST:
        raise InputError(
            f"data: class {classes[least]!r} has {counts[least]} of {len(labels):,} rows, and "
            f"three parts need at least {FEWEST}: leave it out or join it with another"
        )
    if len(classes) < 2:
        raise InputError(f"data: a single class, {classes[0]!r}, in all rows")


def _cut(rows: Array, share: float, strata: Array | None, seed: int) -> tuple[Array, Array]:
    try:
        kept, cut = train_test_split(
            rows,
            test_size=share,
            random_state=seed,
            stratify=None if strata is None else strata[rows],
        )
    except ValueError as error:  # too few rows; scikit-learn's text names the numbers
        raise InputError(f"data.split: {error}") from None
    return np.sort(kept), np.sort(cut)


def by_group(share: Split, groups: Array, seed: int) -> dict[str, Array]:
    """Rows of the three parts, every group whole in one of them; shares are of the groups.

    Raises InputError for fewer groups than parts.
    """
    rows = np.arange(len(groups))

    def cut(rows: Array, part: float) -> tuple[Array, Array]:
        splitter = GroupShuffleSplit(1, test_size=part, random_state=seed)
        try:
            kept, rest = next(splitter.split(rows, groups=groups[rows]))
        except ValueError as error:
            raise InputError(f"data.split.by: {error}") from None
        return rows[kept], rows[rest]

    left, test = cut(rows, share.test)
    train, val = cut(left, share.val / (share.train + share.val))
    return {"train": train, "val": val, "test": test}


def by_time(share: Split, times: Array) -> dict[str, Array]:
    """Rows of the three parts in order of time, the test part last; rows of one time stay in
    their order."""
    order = np.argsort(times, kind="stable")
    ends = np.round(np.cumsum([share.train, share.val]) * len(order)).astype(int)
    parts = dict(zip(("train", "val", "test"), np.split(order, ends), strict=True))
    if any(len(rows) == 0 for rows in parts.values()):
        raise InputError(f"data.split: {len(order)} rows are too few for three parts")
    return {name: np.sort(rows) for name, rows in parts.items()}
