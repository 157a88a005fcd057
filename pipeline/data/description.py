"""What later stages and a reader want to know of a prepared data set: a summary, small tables."""

import hashlib
import math
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.data.examples import CHUNK_BYTES, Array, Rows
from pipeline.data.prepared import Prepared
from pipeline.data.scaling import by_feature
from pipeline.params.data import FILES, Data

DESCRIBED_ROWS = 100_000
QUANTILES = {"minimum": 0.0, "q25": 0.25, "median": 0.5, "q75": 0.75, "maximum": 1.0}


def summary(prepared: Prepared, data: Data) -> dict[str, object]:
    """summary.json: what later stages and the report need to know about the data."""
    train = prepared.parts["train"]
    regression = prepared.task == "regression"
    return {
        "source": data.source,
        "file": None if data.path is None else Path(data.path).name,
        "md5": md5(data),
        "task": prepared.task,
        "target": data.target,
        "shape": list(train.x.shape[1:]),
        "outputs": 1 if regression else len(prepared.classes),
        "examples": {name: len(part) for name, part in prepared.parts.items()},
        "features": list(prepared.features),
        "classes": list(prepared.classes),
        "target_mean": float(train.y.mean()) if regression else None,
        "target_sd": float(train.y.std()) if regression else None,
        "notes": [*prepared.notes, *place_note(data)],
        "warnings": list(prepared.warnings),
    }


def place_note(data: Data) -> list[str]:
    """Says so where the data lie outside the project."""
    is_own_file = data.source in FILES and data.path is not None
    if not is_own_file or Path(str(data.path)).resolve().is_relative_to(Path.cwd().resolve()):
        return []
    return ["the data lie outside the project: nobody else has them by its commits alone"]


def md5(data: Data) -> str | None:
    """The MD5 of a user's file, the one that DVC keeps; None for folders and named data sets."""
    if data.path is None or not Path(data.path).is_file():
        return None
    with Path(data.path).open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def features(prepared: Prepared) -> pd.DataFrame:
    """One row per input feature, of images per channel: mean, standard deviation and quantiles of
    the training part, of large ones of DESCRIBED_ROWS evenly spaced examples; none of a text."""
    table = pd.DataFrame({"feature": prepared.features})
    if not prepared.features:
        return table
    values = by_feature(evenly(prepared.parts["train"].x)).astype(np.float64)
    table["mean"], table["sd"] = values.mean(0), values.std(0)
    rows = np.quantile(values, list(QUANTILES.values()), axis=0)
    return table.assign(**dict(zip(QUANTILES, rows, strict=True)))


def evenly(x: Array) -> Array:
    """At most DESCRIBED_ROWS of the rows, and of those in a file no more than CHUNK_BYTES hold,
    evenly spaced."""
    most = DESCRIBED_ROWS
    if isinstance(x, Rows):
        most = max(1, min(most, CHUNK_BYTES // (x.dtype.itemsize * math.prod(x.shape[1:]))))
    return x[:: -(-len(x) // most)]


def classes(prepared: Prepared) -> pd.DataFrame:
    """One row per class: examples in each part, or of a text how often each token is to be
    predicted, its name escaped as in Python; empty for regression."""
    is_text = prepared.task == "language"
    names = [repr(name)[1:-1] if is_text else name for name in prepared.classes]
    table = pd.DataFrame({"class": names})
    for name, part in prepared.parts.items():
        if prepared.classes:
            table[name] = counts(part.y, len(prepared.classes))
    return table


def counts(labels: Array, classes: int) -> Array:
    """How often each label occurs, counted in chunks, which bound the memory."""
    chunks = (labels[k : k + DESCRIBED_ROWS] for k in range(0, len(labels), DESCRIBED_ROWS))
    return np.sum([np.bincount(chunk.ravel(), minlength=classes) for chunk in chunks], axis=0)


def columns(prepared: Prepared) -> pd.DataFrame:
    """One row per column of a user's table: what it was taken for, missing values, and why it was
    dropped or what was done to it."""
    rows = [(c.name, c.kind, c.missing, c.why) for c in prepared.columns]
    return pd.DataFrame(rows, columns=["column", "kind", "missing", "note"])
