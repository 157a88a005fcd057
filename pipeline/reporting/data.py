"""What the report says about the data."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from pipeline.reporting import figures_data, text
from pipeline.reporting.illustration import Illustration
from pipeline.reporting.measurements import Measurements

IMBALANCED = 1.5
"""The commonest class over the rarest, beyond which the balanced accuracy is shown too."""


def data(found: Measurements) -> tuple[Illustration, ...]:
    """The features before and after scaling, and the classes."""
    shown = [
        Illustration(
            "features",
            "The features",
            feature_caption(found),
            figures_data.features(found.features),
            "features",
        )
    ]
    if len(found.classes):
        shown.append(
            Illustration(
                "classes",
                "Examples of each class",
                class_caption(found.classes),
                figures_data.classes(found.classes),
                "classes",
            )
        )
    return tuple(shown)


def words(own: Mapping[str, Any]) -> str:
    """The data in a line."""
    parts = ", ".join(f"{count:,} {name}" for name, count in own["examples"].items())
    shape = " × ".join(str(length) for length in own["shape"])
    task = own["task"] + (f" of {own['target']}" if own.get("target") else "")
    file = f" {own['file']}" if own.get("file") else ""
    md5 = f" (MD5 {own['md5']})" if own.get("md5") else ""
    return f"{own['source']}{file}{md5}, {task}, inputs {shape}; {parts}"


def tables(found: Measurements) -> dict[str, pd.DataFrame]:
    """What lies below reports/tables."""
    own = {"features": found.features, "classes": found.classes, "columns": found.columns}
    return {name: table for name, table in own.items() if len(table)}


def feature_caption(found: Measurements) -> str:
    """Sizes, ranges, what was dropped and why."""
    table, examples = found.features, found.data["examples"]
    parts = ", ".join(f"{count:,} {name}" for name, count in examples.items())
    width = table["maximum"] - table["minimum"]
    moving = width[width > 0]
    unit = "channel" if len(found.data["shape"]) == 3 else "feature"
    many = f"{len(table)} {unit}{'s' if len(table) > 1 else ''}"
    said = [f"Examples: {parts}; {many}. Range, quartiles and median over the training part."]
    if len(moving) > 1:
        ratio = text.number(moving.max() / moving.min())
        said.append(f"As found, the widest range is {ratio} times the narrowest.")
    if len(table) > figures_data.MOST_FEATURES:
        said.append(f"Shown: {figures_data.MOST_FEATURES} of them, evenly picked by range.")
    return " ".join([*said, *column_words(found.columns), *note_words(found.data)])


def column_words(columns: pd.DataFrame) -> list[str]:
    """Which columns of a user's table were dropped, and how many had missing values."""
    if columns.empty:
        return []
    dropped = columns[columns["kind"] == "dropped"]
    said = [f"{row.column} ({row.note})" for row in dropped.itertuples()]
    missing = int((columns["missing"] > 0).sum())
    return [
        f"Of {len(columns)} columns {len(dropped)} were dropped"
        + (f": {'; '.join(said)}." if said else ".")
        + (f" {missing} had missing values." if missing else "")
    ]


def note_words(data: Mapping[str, Any]) -> list[str]:
    """The notes as sentences."""
    return [f"{note[0].upper()}{note[1:]}." for note in data.get("notes", [])]


def class_caption(classes: pd.DataFrame) -> str:
    """The rarest and the commonest class."""
    total = classes[["train", "val", "test"]].sum(axis=1)
    rare, common = classes.loc[total.idxmin(), "class"], classes.loc[total.idxmax(), "class"]
    ratio = total.max() / total.min()
    tail = (
        "; the balanced accuracy, which counts every class alike, stands beside the accuracy."
        if is_imbalanced(classes)
        else "."
    )
    return (
        f"{len(classes)} classes, from {total.min():,} examples ({rare}) to {total.max():,} "
        f"({common}), a factor {text.number(ratio)}{tail}"
    )


def is_imbalanced(classes: pd.DataFrame) -> bool:
    """Whether accuracy alone could mislead."""
    if classes.empty:
        return False
    total = classes[["train", "val", "test"]].sum(axis=1)
    return bool(total.max() > IMBALANCED * total.min())
