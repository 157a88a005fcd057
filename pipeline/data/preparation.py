"""From the ``data`` section to a data set that was read, split and encoded."""

from pathlib import Path

import numpy as np

from pipeline.data import arrays, images, sources, splits, table
from pipeline.data.prepared import Prepared
from pipeline.data.sources import Source
from pipeline.errors import InputError
from pipeline.params import Data


def prepare(data: Data, seed: int) -> Prepared:
    """Read what ``data`` names and split it by the seed.

    Raises InputError for a missing or damaged file, naming it, and for a task that does not fit.
    """
    if data.source == "table":
        return table.prepare(data, seed)
    source = read(data)
    check_task(source, data)
    has_test = source.test is not None and data.split.test == "official"
    rows = splits.drawn(data.split, source.examples.y, source.classes, seed, has_test)
    parts = {name: source.examples.take(own) for name, own in rows.items()}
    if source.test is not None and has_test:
        parts["test"] = source.test
    task = "classification" if source.classes else "regression"
    return Prepared(task, parts, source.features, source.classes, notes=source.notes)


def read(data: Data) -> Source:
    """The source by its name."""
    if data.source == "digits":
        return sources.digits()
    if data.source in ("breast_cancer", "wine", "diabetes"):
        return sources.embedded_table(data.source)
    path = Path(str(data.path))
    if data.source == "images":
        return images.read(path, data.images)
    if data.source == "arrays":
        return arrays.read(path, data.task)
    return sources.torchvision_images(data.source, path)


def check_task(source: Source, data: Data) -> None:
    """Refuse a task that does not fit the source, and a target that cannot be learnt."""
    fitting = "classification" if source.classes else "regression"
    if data.task not in ("auto", fitting):
        raise InputError(f"data.task: {data.task!r} does not fit {data.source}; use {fitting}")
    if len(np.unique(source.examples.y)) < 2:
        raise InputError(f"data.source: {data.source!r} has a single target value")
