"""What the page's sliders choose from: the tradeoff as plain numbers, and the limits to try."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pandas as pd

from pipeline.analysis.frame import Frame
from pipeline.analysis.study import Study
from pipeline.reporting.words import numbers
from pipeline.selection.keys import PACK

NUMBERS = (
    "batch_size",
    "lr",
    "reached",
    "seeds",
    "seconds_to_target",
    "peak_bytes",
    "test_score",
    "score_difference_high",
    "regret",
    "passes_agree",
)


def at_devices(table: pd.DataFrame, prediction: pd.DataFrame, devices: int) -> pd.DataFrame:
    """The tradeoff with the seconds that are predicted for so many devices, and the regret by them
    alone; a batch size smaller than their number is left out. Memory stays what the whole batch
    takes on one."""
    if devices == 1:
        return table
    seconds = prediction.loc[prediction["devices"] == devices, [*PACK, "seconds_to_target"]]
    seconds = seconds.rename(columns={"seconds_to_target": "predicted"})
    merged = table.drop(columns="regret").merge(seconds, on=PACK)
    ratio = merged["predicted"] / merged["seconds_to_target"]
    for bound in ("", "_low", "_high"):
        merged[f"seconds_to_target{bound}"] *= ratio
    regret = merged["predicted"] / merged["predicted"].min() - 1
    return merged.drop(columns="predicted").assign(regret=regret)


def embedded(study: Study) -> dict[str, Any]:
    """What ``explore.js`` needs: rows by number of devices, the stops of every slider, those of
    the time by number of devices."""
    table, prediction = study.tradeoff, study.devices
    limits, frame = study.params.limits, study.frame
    more = set(prediction["devices"]) - {1} if len(prediction) else set()
    widths = [1, *sorted(more)]
    tables = {str(devices): at_devices(table, prediction, devices) for devices in widths}
    return {
        "rows": {devices: rows(of_width, frame) for devices, of_width in tables.items()},
        "can_choose": bool(table["seconds_per_step"].notna().any()),
        "margin": limits.score_margin,
        "stops": {
            "seconds": {
                devices: stops(of_width["seconds_to_target"], numbers.seconds, descending=True)
                for devices, of_width in tables.items()
            },
            "memory_gb": stops(
                table["peak_bytes"] / 2**30, lambda gb: numbers.size(gb * 2**30), descending=True
            ),
            "score": stops(table["test_score"], numbers.number, descending=False),
        },
        "set": {name: getattr(limits, name) for name in ("seconds", "memory_gb", "score")},
        "score_name": frame.score_name,
        "target": frame.target,
    }


def stops(
    values: Iterable[float], show: Callable[[float], str], descending: bool
) -> list[dict[str, Any]]:
    """No limit, then every value at which the choice could change, ever stricter."""
    known = sorted({float(value) for value in values if np.isfinite(value)}, reverse=descending)
    return [{"value": None, "label": "no limit"}] + [
        {"value": value, "label": show(value)} for value in known
    ]


def rows(table: pd.DataFrame, frame: Frame) -> list[dict[str, Any]]:
    """Rows of the tradeoff as plain numbers, null where one is missing, with their words."""
    return [
        {"variant": row["variant"]}
        | {name: None if pd.isna(row[name]) else float(row[name]) for name in NUMBERS}
        | {"words": words(row, frame)}
        for _, row in table.iterrows()
    ]


def words(row: pd.Series, frame: Frame) -> dict[str, str]:
    """A row as a person reads it."""
    low, high = row["seconds_to_target_low"], row["seconds_to_target_high"]
    return {
        "size": numbers.batch_size(row["batch_size"], frame.examples) + numbers.variant_of(row),
        "rate": numbers.rate(row["lr"]),
        "seconds": numbers.seconds(row["seconds_to_target"]),
        "interval": numbers.interval(low, high, numbers.seconds),
        "memory": numbers.size(row["peak_bytes"]),
        "score": numbers.number(row["test_score"]),
    }
