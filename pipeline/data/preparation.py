"""From the ``data`` section to a data set that was read, split and encoded."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from pipeline.data import splits
from pipeline.data.examples import Source
from pipeline.data.prepared import Prepared
from pipeline.data.sources import arrays, images, named
from pipeline.data.table.prepare import prepare_table
from pipeline.data.text.prepare import prepare_text
from pipeline.errors import InputError
from pipeline.params.data import Data

READERS: dict[str, Callable[[Data], Source]] = {
    "digits": lambda data: named.digits(),
    "breast_cancer": lambda data: named.embedded_table("breast_cancer"),
    "wine": lambda data: named.embedded_table("wine"),
    "diabetes": lambda data: named.embedded_table("diabetes"),
    "mnist": lambda data: named.torchvision_images("mnist", place(data)),
    "fashion_mnist": lambda data: named.torchvision_images("fashion_mnist", place(data)),
    "cifar10": lambda data: named.torchvision_images("cifar10", place(data)),
    "images": lambda data: images.read(place(data), data.images),
    "arrays": lambda data: arrays.read(place(data), data.task),
}
"""Every source but a table and a text, which are split before they are encoded."""


def prepare(data: Data, seed: int) -> Prepared:
    """Read what ``data`` names, split it by the seed, and limit the validation part.

    Raises InputError for a missing or damaged file, naming it, and for a task that does not fit.
    """
    return with_val_limit(whole(data, seed), data.val_limit, seed)


def whole(data: Data, seed: int) -> Prepared:
    """``prepare`` with all examples of the validation part."""
    if data.source == "table":
        return prepare_table(data, seed)
    if data.source == "text":
        return prepare_text(data, seed)
    source = read(data)
    check_task(source, data)
    if data.split.test != "official":
        source = replace(source, test=None)
    source = limited(source, data.limit, seed)
    has_test = source.test is not None
    rows = splits.drawn(data.split, source.examples.y, source.classes, seed, has_test)
    parts = {name: source.examples.take(of_part) for name, of_part in rows.items()}
    if source.test is not None:
        parts["test"] = source.test
    task = "classification" if source.classes else "regression"
    return Prepared(task, parts, source.features, source.classes, notes=source.notes)


def read(data: Data) -> Source:
    """The source by its name."""
    return READERS[data.source](data)


def limited(source: Source, limit: int | None, seed: int) -> Source:
    """The source with at most ``limit`` examples, and the same share of its own test set.

    Raises InputError for a limit that leaves too few.
    """
    everything, test = source.examples, source.test
    rows = splits.sampled(limit, everything.y, source.classes, seed)
    if len(rows) == len(everything):
        return source
    splits.check_limit(limit, everything.y[rows], source.classes)
    if test is not None:
        share = math.ceil(len(test) * len(rows) / len(everything))
        test = test.take(splits.sampled(share, test.y, source.classes, seed))
    note = f"{len(rows):,} of {len(everything):,} examples were drawn: data.limit"
    return replace(source, examples=everything.take(rows), test=test, notes=(*source.notes, note))


def with_val_limit(prepared: Prepared, limit: int | None, seed: int) -> Prepared:
    """The same data with at most ``limit`` examples in the validation part, drawn by the seed.

    Every evaluation along a training is made on that part, and together they can cost more than the
    training itself.
    """
    val = prepared.parts["val"]
    classes = () if prepared.task == "language" else prepared.classes
    rows = splits.sampled(limit, val.y, classes, seed)
    if len(rows) == len(val):
        return prepared
    kind = "windows" if prepared.task == "language" else "examples"
    note = f"{len(rows):,} of {len(val):,} validation {kind} were drawn: data.val_limit"
    parts = {**prepared.parts, "val": val.take(rows)}
    return replace(prepared, parts=parts, notes=(*prepared.notes, note))


def place(data: Data) -> Path:
    """Where the user's files lie."""
    return Path(str(data.path))


def check_task(source: Source, data: Data) -> None:
    """Refuse a task that does not fit the source, and a target that cannot be learnt."""
    fitting = "classification" if source.classes else "regression"
    if data.task not in ("auto", fitting):
        raise InputError(f"data.task: {data.task!r} does not fit {data.source}; use {fitting}")
    if len(np.unique(source.examples.y)) < 2:
        raise InputError(f"data.source: {data.source!r} has a single target value")
