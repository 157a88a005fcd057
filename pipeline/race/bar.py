"""What a pilot reached, and who reached it among the others."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.errors import require
from pipeline.selection import targets
from pipeline.selection.keys import STOPPED
from pipeline.selection.targets import Validation


@dataclass(frozen=True)
class Bar:
    """What a pilot reached: the value of the metric to race to, and its rate that was fastest, None
    where most of its seeds reach that value at none."""

    metric: str
    value: float
    batch_size: int
    lr: float | None

    def __post_init__(self) -> None:
        require(self.batch_size >= 1, "bar: batch_size", self.batch_size, "is below 1")
        require(self.lr is None or self.lr > 0, "bar: lr", self.lr, "is not above 0")


def read(path: Path) -> tuple[Bar | None, dict[str, int]]:
    """A bar.json: what a variant's pilot reached, None where there is no race, and how many steps
    batch sizes may train, those that are limited."""
    content = json.loads(path.read_text())
    steps = content.pop("steps", {})
    return Bar(**content) if content else None, steps


def arrivals(lanes: pd.DataFrame, history: pd.DataFrame, bar: Bar) -> pd.DataFrame:
    """``targets.arrivals`` at the bar."""
    return targets.arrivals(
        lanes, targets.curves(lanes, history, bar.metric), bar.metric, bar.value
    )


def bar_of(
    lanes: pd.DataFrame,
    history: pd.DataFrame,
    metric: str,
    value: float | str,
    validation: Validation,
) -> Bar | None:
    """The bar of a pilot; None where there is none to find, for most seeds diverge at every rate,
    or nothing was trained.

    value: the target, or ``auto`` for what the pilot reaches, eased as an automatic target is.
    """
    if lanes.empty:
        return None
    smooth = targets.curves(lanes, history, metric)
    if value == "auto":
        best = targets.tuned_bests(lanes, smooth).iloc[0]
        if np.isinf(best["best"]):
            return None
        value = targets.eased(best, metric, validation)
    arrived = targets.arrivals(lanes, smooth, metric, float(value))
    size = int(lanes["batch_size"].iloc[0])
    return Bar(metric, float(value), size, fastest_rate(arrived))


def lowered(bar: Bar, lanes: pd.DataFrame, history: pd.DataFrame, validation: Validation) -> float:
    """The value that another pack allows to race to: the bar's own where most seeds reach it at
    some rate, or where the pack was stopped before its end or gave no training, else what the pack
    reaches, eased."""
    if lanes.empty:
        return bar.value
    is_stopped = (lanes["status"] == STOPPED).any()
    if is_stopped or fastest_rate(arrivals(lanes, history, bar)) is not None:
        return bar.value
    smooth = targets.curves(lanes, history, bar.metric)
    best = targets.tuned_bests(lanes, smooth).iloc[0]
    if np.isinf(best["best"]):
        return bar.value
    return targets.eased(best, bar.metric, validation)


def fastest_rate(arrived: pd.DataFrame) -> float | None:
    """The rate that sets the horizon, the smaller of two; None where there is none."""
    steps = targets.median_steps(arrived)
    return None if np.isinf(steps.min()) else float(steps.idxmin())
