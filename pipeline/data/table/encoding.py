"""From a table's columns to features, fitted on the training rows alone.

scikit-learn imputes and encodes, a column at a time; what was fitted is kept as plain numbers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import OneHotEncoder

from pipeline.data.examples import Array
from pipeline.data.table.columns import Floats, Loaded
from pipeline.params.data import Table

MISSING_LEVEL = "(missing)"
SHOWN = 5
"""How many joined levels a note names."""


@dataclass(frozen=True)
class Encoded:
    """A column's features.

    values: (rows, features); fitted: what was learnt of the training rows; note: what a reader
    should know, or nothing.
    """

    features: tuple[str, ...]
    values: Floats
    fitted: dict[str, Any]
    note: str = ""


def encode(loaded: Loaded, train: Array, options: Table) -> Encoded:
    """One column's features, fitted on the rows ``train``."""
    if loaded.column.kind == "category":
        return encode_levels(loaded, train, options)
    return encode_numbers(loaded, train)


def encode_numbers(loaded: Loaded, train: Array) -> Encoded:
    """Numbers, flags and dates: missing values become the training rows' median (for flags the
    commoner value), and a second feature says where they were."""
    name, values = loaded.column.name, loaded.numbers[:, None]
    if np.isnan(values[train]).all():
        return Encoded((), values[:, :0], {}, "no training row has a value")
    strategy = "most_frequent" if loaded.column.kind == "flag" else "median"
    imputer = SimpleImputer(strategy=strategy, add_indicator=True).fit(values[train])
    fill = float(imputer.statistics_[0])
    missing = int(np.isnan(values).sum())
    if not missing:
        return Encoded((name,), values, {"fill": fill})
    filled = imputer.transform(values).astype(values.dtype)
    features = (name, f"{name} is missing")[: filled.shape[1]]
    return Encoded(features, filled, {"fill": fill}, f"{missing:,} missing values became {fill:g}")


def encode_levels(loaded: Loaded, train: Array, options: Table) -> Encoded:
    """A feature for each level that is common in the training rows, one for all others."""
    name, levels = loaded.column.name, [*loaded.levels, MISSING_LEVEL]
    places = loaded.numbers.astype(np.int64)[:, None]
    places[places < 0] = len(levels) - 1
    encoder = OneHotEncoder(
        min_frequency=options.rare or None, max_categories=options.levels,
        handle_unknown="infrequent_if_exist", sparse_output=False, dtype=loaded.numbers.dtype,
    )  # fmt: skip
    encoder.fit(places[train])
    rare = encoder.infrequent_categories_[0]
    joined = [levels[place] for place in ([] if rare is None else rare)]
    kept = [levels[place] for place in encoder.categories_[0] if levels[place] not in joined]
    values = encoder.transform(places)
    features = tuple(f"{name} = {level}" for level in [*kept, *["(other)"] * bool(joined)])
    note = joined_words(joined)
    return Encoded(features, values, {"levels": kept, "joined": len(joined)}, note)


def joined_words(levels: list[str]) -> str:
    """Which rare levels became one; nothing where none did."""
    if not levels:
        return ""
    shown = ", ".join(levels[:SHOWN]) + (" …" if len(levels) > SHOWN else "")
    return f"{len(levels):,} rare level{'s' if len(levels) > 1 else ''} joined: {shown}"


def assembled(columns: Sequence[Encoded], parts: Mapping[str, Array]) -> dict[str, Array]:
    """The inputs of each part, (rows, features), from all columns' features."""
    width = sum(column.values.shape[1] for column in columns)
    dtype = columns[0].values.dtype
    features = {part: np.empty((len(rows), width), dtype) for part, rows in parts.items()}
    start = 0
    for column in columns:
        end = start + column.values.shape[1]
        for part, rows in parts.items():
            features[part][:, start:end] = column.values[rows]
        start = end
    return features
