"""What a reader wants to know of a prepared data set, as small tables."""

import numpy as np
import pandas as pd

from pipeline.data.prepared import Prepared
from pipeline.data.scaling import by_feature
from pipeline.data.sources import Array

DESCRIBED_ROWS = 100_000
QUANTILES = {"minimum": 0.0, "q25": 0.25, "median": 0.5, "q75": 0.75, "maximum": 1.0}


def features(prepared: Prepared) -> pd.DataFrame:
    """One row per input feature, of images per channel: mean, standard deviation and quantiles of
    the training part, of large ones of DESCRIBED_ROWS evenly spaced examples."""
    values = by_feature(evenly(prepared.parts["train"].x)).astype(np.float64)
    table = pd.DataFrame({"feature": prepared.features})
    table["mean"], table["sd"] = values.mean(0), values.std(0)
    rows = np.quantile(values, list(QUANTILES.values()), axis=0)
    return table.assign(**dict(zip(QUANTILES, rows, strict=True)))


def evenly(x: Array) -> Array:
    """At most DESCRIBED_ROWS of the rows, evenly spaced."""
    return x if len(x) <= DESCRIBED_ROWS else x[:: -(-len(x) // DESCRIBED_ROWS)]


def classes(prepared: Prepared) -> pd.DataFrame:
    """One row per class: examples in each part; empty for regression."""
    table = pd.DataFrame({"class": prepared.classes})
    for name, part in prepared.parts.items():
        if prepared.classes:
            table[name] = np.bincount(part.y, minlength=len(prepared.classes))
    return table


def columns(prepared: Prepared) -> pd.DataFrame:
    """One row per column of a user's table: what it was taken for, missing values, and why it was
    dropped or what was done to it."""
    own = [(c.name, c.kind, c.missing, c.why) for c in prepared.columns]
    return pd.DataFrame(own, columns=["column", "kind", "missing", "note"])
