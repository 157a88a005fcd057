"""What counts as trained, and how many steps it took.

A higher score is better and a lower loss is; inside this module both are turned so that
higher is better.

What is compared with a target is not one evaluation but the mean of those within a factor WINDOW
of the steps on both sides: a score of few validation examples jumps, and the first of many jumps
that touches a target depends on how often one looks. By benchmarks/smooth.py (digits, MNIST,
California housing; 3 batch sizes x 12 seeds) log steps to a target scatter by 0.19, 0.19, 0.24
instead of 0.28, 0.21, 0.24 at first touch of evaluations 5 % apart, and evaluations 16 % apart put
them off by -0.01, -0.05, -0.26 instead of +0.31, +0.20, +0.45 against 1.5 % apart. Losses scatter
less on digits and MNIST (0.15, 0.18), but two validation examples move them more on a table;
averaged weights are steadier still on the table (0.16), but they are another training than the
user's. So the user's own metric is kept, and smoothed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.errors import InputError
from pipeline.selection import statistics
from pipeline.selection.keys import CELL, PACK, STOPPED, TWO_FASTEST

Floats = npt.NDArray[np.float64]
WINDOW = 1.3
DIGITS = 12
"""Means are rounded to these decimals, so that equal evaluations have an equal mean."""
DENSE, FAR = 1.05, 2.0
BEYOND = 4.0
"""Times the expected steps."""
REACH = 1.5
"""Trainings that take more than so many times the fewest median steps are told apart no further:
how much slower they are says little of where the best rate lies, and costs the most to learn."""
COUNTED = ("classification", "language")
"""Tasks whose score is a share of predictions that are right."""
LOW = 1.25
"""Times the error of the best batch size: a target at which so much is left answers for the early
part of a training alone."""
BAND = 9
"""How many targets the answer is looked at for."""


@dataclass(frozen=True)
class Validation:
    """What decides how finely a validation score or loss is known; of a text each predicted token
    is an example."""

    task: str
    examples: int

    @classmethod
    def of(cls, summary: Mapping[str, Any]) -> "Validation":
        """From the summary of the processed data."""
        predicted = summary["shape"][0] if summary["task"] == "language" else 1
        return cls(summary["task"], summary["examples"]["val"] * predicted)

    def standard_error(self, metric: str, value: float) -> float:
        """Of the metric over draws of the validation examples.

        Binomial for an accuracy; for a mean loss, and R² through its loss, that of a mean square
        of normal residuals, sqrt(2 / examples) of the loss.
        """
        if metric == "val_score" and self.task in COUNTED:
            return float(np.sqrt(max(0.0, value * (1 - value)) / self.examples))
        loss = value if metric == "val_loss" else 1 - value
        return float(abs(loss) * np.sqrt(2 / self.examples))

    def between(self, metric: str, value: float) -> float:
        """The nearest value half-way between two that the metric can take."""
        if metric == "val_score" and self.task in COUNTED:
            return float((np.floor(value * self.examples) + 0.5) / self.examples)
        return value


def turned(values: pd.Series, metric: str) -> pd.Series:
    """The metric's values, or for a loss their negatives."""
    return -values if metric == "val_loss" else values


def smoothed(steps: Floats, values: Floats) -> Floats:
    """The mean of the values within a factor WINDOW of each step."""
    logs, width = np.log(steps), np.log(WINDOW) * (1 + 1e-9)
    first = np.searchsorted(logs, logs - width)
    end = np.searchsorted(logs, logs + width, side="right")
    sums = np.concatenate([[0.0], np.cumsum(values)])
    return np.round((sums[end] - sums[first]) / (end - first), DIGITS)


def curves(lanes: pd.DataFrame, history: pd.DataFrame, metric: str) -> pd.DataFrame:
    """The history's cells, steps and examples with ``value``, the smoothed and turned metric.

    Of a training that was stopped only those whose whole window was trained.
    """
    table = history[[*CELL, "step", "examples"]].assign(value=turned(history[metric], metric))
    table = table.dropna(subset=["value"]).sort_values([*CELL, "step"], ignore_index=True)
    steps, values = (np.array(table[name], dtype=float) for name in ("step", "value"))
    for places in table.groupby(CELL, sort=False).indices.values():
        values[places] = smoothed(steps[places], values[places])
    table = table.assign(value=values)
    stopped = lanes.loc[lanes["status"] == STOPPED, [*CELL, "steps"]]
    if stopped.empty:
        return table
    last = table.merge(stopped, on=CELL, how="left")["steps"].fillna(np.inf)
    return table[table["step"] <= known_up_to(last)].reset_index(drop=True)


def known_up_to(last: Any) -> Any:
    """The last step whose whole window was trained, of a training that was stopped."""
    return last / WINDOW ** (1 + 1e-9)


def best_per_cell(lanes: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Each cell's best evaluation of the metric, turned; -inf for a diverged cell, NaN for one that
    was stopped before its best."""
    table = lanes[CELL].copy()
    best = turned(lanes[f"best_{metric}"], metric)
    best = best.where(lanes["status"] != "diverged", -np.inf)
    table["best"] = best.where(lanes["status"] != STOPPED)
    return table


def tuned_bests(lanes: pd.DataFrame, smooth: pd.DataFrame) -> pd.DataFrame:
    """Per pack, the best rate's median over seeds of the cells' highest smoothed value, and its
    standard error over seeds.

    smooth: ``curves`` of the same cells. The lower median of an even number of seeds, so that more
    than half of them reach it; a diverged cell counts as -inf, one that was stopped as what it had
    come to.
    """
    highest = smooth.groupby(CELL)["value"].max().rename("best").reset_index()
    cells = lanes[[*CELL, "status"]].merge(highest, on=CELL, how="left")
    cells["best"] = cells["best"].where(cells["status"] != "diverged").fillna(-np.inf)
    rows = []
    for pack, table in cells.groupby(PACK, sort=True):
        medians = table.groupby("lr")["best"].quantile(0.5, interpolation="lower")
        bests = table.loc[table["lr"] == medians.idxmax(), "best"]
        rows.append((*pack, medians.max(), statistics.standard_error(bests[np.isfinite(bests)])))
    return pd.DataFrame(rows, columns=[*PACK, "best", "standard_error"])


def auto_target(
    lanes: pd.DataFrame, smooth: pd.DataFrame, metric: str, validation: Validation, pilot: int
) -> float:
    """What the pilot, a batch size, reaches at its best rate, ``eased``; where another batch size
    reaches that at no rate, the lowest of what such ones reach, eased likewise.

    So every batch size reaches it, and the others can be raced to what the pilot reached. The
    target lies between two values that an accuracy can take. What a batch size that was stopped
    would have reached is not known. Where all of the pilot's rates
    diverge, the largest batch size that is left stands in for it.

    lanes: of the study's first variant alone, so that another variant, be it good or bad, does not
    move the target; smooth: their ``curves``.

    Raises InputError when every cell diverged.
    """
    values = levels(lanes, smooth, metric, validation)
    if values.empty:
        raise InputError(
            "target.value: 'auto' needs a rate at which most seeds do not diverge; there is none"
        )
    bar = values[pilot if pilot in values else values.index.max()]
    arrived = arrivals(lanes, smooth, metric, float(bar))
    stopped = set(lanes.loc[lanes["status"] == STOPPED, "batch_size"])
    below = [
        size
        for size, cells in arrived.groupby("batch_size")
        if np.isinf(horizon(cells)) and size not in stopped
    ]
    candidates = pd.Series([bar, *values[values.index.isin(below)]])
    return float(candidates[turned(candidates, metric).idxmin()])


def levels(
    lanes: pd.DataFrame, smooth: pd.DataFrame, metric: str, validation: Validation
) -> "pd.Series[float]":
    """What each batch size of one variant reaches at its best rate, ``eased``; none for one whose
    rates all diverge. Of trainings that were stopped, what they had come to."""
    bests = tuned_bests(lanes, smooth)
    bests = bests[np.isfinite(bests["best"])].set_index("batch_size")
    found = {size: eased(best, metric, validation) for size, best in bests.iterrows()}
    return pd.Series(found, dtype=float)


@dataclass(frozen=True)
class Lowered:
    """A target that lies far below what a smaller batch size reaches than the one it comes from.

    source: the batch size that it comes from. best: the one that reaches most, and level: what.
    """

    source: int
    best: int
    level: float


def lowered(
    screened: "pd.Series[float]",
    fresh: "pd.Series[float]",
    lanes: pd.DataFrame,
    metric: str,
    target: float,
    validation: Validation,
) -> Lowered | None:
    """Why an automatic target is low; None where the error that is left at it is less than LOW
    times what the best batch size leaves, or the difference may be one of validation examples. The
    error is the loss, or what a score lacks of 1.

    screened, fresh: ``levels`` of the first variant's trainings on screening and on fresh seeds;
    lanes: the screened ones.
    """
    whole = screened[screened.index.isin(lanes.loc[lanes["status"] != STOPPED, "batch_size"])]
    if whole.empty or fresh.empty:
        return None
    source, best = int((whole - target).abs().idxmin()), int(turned(fresh, metric).idxmax())
    level = float(fresh[best])
    at_target, at_best = (v if metric == "val_loss" else 1 - v for v in (target, level))
    luck = float(np.sqrt(2)) * validation.standard_error(metric, target)
    if source <= best or at_best <= 0 or at_target < max(LOW * at_best, at_best + luck):
        return None
    return Lowered(source, best, level)


def eased(best: "pd.Series[Any]", metric: str, validation: Validation) -> float:
    """A row of ``tuned_bests`` as a target, easier by the standard error of the difference of two
    such scores, so that another batch size that is no worse mostly reaches it. The error is that
    over seeds or that of the validation examples, whichever is larger."""
    sign = -1 if metric == "val_loss" else 1
    value = float(sign * best["best"])
    error = max(float(best["standard_error"]), validation.standard_error(metric, value))
    return validation.between(metric, value - sign * float(np.sqrt(2)) * error)


def band(metric: str, target: float, validation: Validation) -> Floats:
    """BAND targets around one, from easy to hard: two standard errors of the validation examples
    easier to one harder."""
    error = validation.standard_error(metric, target)
    sign = -1 if metric == "val_loss" else 1
    return np.asarray(target + sign * error * np.linspace(-2, 1, BAND))


def evaluations_near(steps: Sequence[float], last: int) -> tuple[int, ...]:
    """Steps DENSE apart around those at which a target is expected, from a factor FAR below the
    first to one above the last, at most ``last``; none where none are expected."""
    if not steps:
        return ()
    low, high = (min(float(last), max(1.0, s)) for s in (min(steps) / FAR, max(steps) * FAR))
    count = int(np.log(max(1.0, high / low)) / np.log(DENSE)) + 1
    return tuple(sorted({round(low * DENSE**k) for k in range(count)}))


def far_beyond(chosen: pd.DataFrame) -> float:
    """Steps by which a training at any of the two fastest rates, of rows of the selection, has
    arrived, or counts as one that takes longer; infinite without such rates."""
    fastest = chosen.loc[chosen["criterion"].isin(TWO_FASTEST), "response_steps"]
    return float(BEYOND * WINDOW * fastest.max()) if len(fastest) else float("inf")


def crossing(steps: Floats, values: Floats, target: float) -> float:
    """The first step at which ``values`` reach ``target``, NaN if never.

    Interpolated linearly in the logarithm of steps between two evaluations, of which the earlier
    must be a number.
    """
    reached = np.flatnonzero(values >= target)
    if len(reached) == 0:
        return float("nan")
    after = reached[0]
    if after == 0 or np.isnan(values[after - 1]):
        return float(steps[after])
    share = (target - values[after - 1]) / (values[after] - values[after - 1])
    low, high = np.log(steps[after - 1]), np.log(steps[after])
    return float(np.exp(low + share * (high - low)))


def steps_to_target(smooth: pd.DataFrame, metric: str, target: float) -> pd.DataFrame:
    """One row per cell of ``curves``: steps_to_target and examples_to_target, NaN for a cell that
    missed it."""
    aim = -target if metric == "val_loss" else target
    steps, examples, values = (
        smooth[name].to_numpy(float) for name in ("step", "examples", "value")
    )
    rows = []
    for cell, places in sorted(smooth.groupby(CELL).indices.items()):
        step = crossing(steps[places], values[places], aim)
        seen = np.interp(step, [0, *steps[places]], [0, *examples[places]])
        rows.append((*cell, step, seen))
    kinds = {"batch_size": "int64", "lr": float, "seed": "int64"}
    kinds |= {"steps_to_target": float, "examples_to_target": float}
    return pd.DataFrame(rows, columns=list(dict.fromkeys([*CELL, *kinds]))).astype(kinds)


def arrivals(cells: pd.DataFrame, smooth: pd.DataFrame, metric: str, target: float) -> pd.DataFrame:
    """One row per cell: its steps to the target, or those of its batch size's budget where it
    missed it or diverged (``missed``); examples_to_target, NaN for a miss. reached: its steps to
    the target whatever became of it then, NaN for none; lost_at: where it diverged, inf for none.

    cells: CELL, status and steps of each; smooth: their ``curves``. One that was stopped misses
    what it had not reached.
    """
    reached = steps_to_target(smooth, metric, target)
    table = cells[[*CELL, "status", "steps"]].merge(
        reached, on=CELL, how="left", validate="one_to_one"
    )
    diverged, stopped = (table["status"] == status for status in ("diverged", STOPPED))
    missed = table["steps_to_target"].isna() | diverged
    known = table["steps"].where(~stopped, known_up_to(table["steps"]))
    budget = known.groupby([table[name] for name in PACK]).transform("max")
    return table[CELL].assign(
        steps=table["steps_to_target"].where(~missed, known.where(stopped, budget)),
        missed=missed,
        examples_to_target=table["examples_to_target"].where(~missed),
        reached=table["steps_to_target"],
        lost_at=table["steps"].where(diverged, np.inf),
    )


def median_steps(cells: pd.DataFrame) -> "pd.Series[float]":
    """The median steps of each rate of one pack to the target, the upper one of an even number of
    seeds: by then more than half were there. Infinite where half or more were not.

    cells: lr, reached (steps to the target, NaN for one that never was there) and lost_at (the step
    of its divergence, infinite for none). A seed that diverges within the ``horizon`` that it would
    set, and the window in which targets are looked at, was not there.
    """
    stays = cells["lost_at"] > REACH * WINDOW * cells["reached"]
    steps = cells["reached"].where(stays, np.inf).groupby(cells["lr"])
    return steps.quantile(0.5, interpolation="higher")


def horizon(cells: pd.DataFrame) -> float:
    """REACH times the fewest ``median_steps``; infinite where no rate has any."""
    return float(REACH * median_steps(cells).min())
