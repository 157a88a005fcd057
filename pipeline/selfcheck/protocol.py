"""A whole study of the noisy quadratic: screened, refined, selected, confirmed, fitted.

Only the training is simulated; everything else is what the stages call.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd

from pipeline.analysis import critical, steps
from pipeline.analysis.critical import Critical
from pipeline.selection import edges, targets, winners
from pipeline.selection.keys import TWO_FASTEST
from pipeline.selfcheck.quadratic import Floats, Quadratic

MODEL = Quadratic(1 / np.arange(1, 101.0), 0.03)
SIZES = [2**k for k in range(11)]
RATES = np.geomspace(1e-3, 10, 9)
"""The default study's."""
FINE = np.geomspace(1e-3, 1.99, 240)
"""Among these lies the best rate, to a per cent or two."""
REPLICAS = 16
SCREEN, CONFIRM = 3, 5
"""Seeds."""
BUDGET = 4.0
"""A training's budget over the fewest steps of the closed form."""
DENSITY = 1.05
"""The ratio of successive evaluation steps."""
DIVERGED = 1e3
Tables = tuple[pd.DataFrame, pd.DataFrame]
"""Lanes and history, as the train stage writes them."""


@dataclass(frozen=True)
class Outcome:
    """What a study found. excess: by batch size the expected steps at the chosen rate over those
    at the best rate, less 1."""

    runs: critical.Runs
    fit: Critical
    excess: dict[int, float]


@cache
def fewest(size: int) -> float:
    """The closed form's steps at the best rate."""
    return MODEL.best(size, FINE)[0]


def spaced(last: int) -> list[int]:
    """Evaluation steps up to ``last``, log-spaced."""
    count = int(np.log(last) / np.log(DENSITY)) + 1
    return sorted({round(DENSITY**k) for k in range(count)} | {last})


def trained(size: int, rates: Floats, seeds: range) -> Tables:
    """Simulated trainings, recorded until they diverge."""
    last = int(BUDGET * fewest(size))
    evaluations = spaced(last)
    lanes, history = [], []
    for seed in seeds:
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            losses = MODEL.simulate(size, rates, evaluations, REPLICAS, seed)
        for lr, curve in zip(rates, losses, strict=True):
            key = {"variant": "baseline", "batch_size": size, "lr": lr, "seed": seed}
            is_lost = ~(curve < DIVERGED)
            kept = int(is_lost.argmax()) if is_lost.any() else len(curve)
            status = "diverged" if is_lost.any() else "finished"
            best = curve[:kept].min() if kept == len(curve) else np.nan
            end = evaluations[kept] if is_lost.any() else last
            ended = {"status": status, "steps": end, "best_val_loss": best}
            lanes.append(key | ended | {"best_val_score": np.nan})  # a quadratic has no score
            table = pd.DataFrame({"step": evaluations[:kept], "val_loss": curve[:kept]})
            history.append(table.assign(examples=table["step"] * size, **key))
    return pd.DataFrame(lanes), pd.concat(history, ignore_index=True)


def together(*parts: Tables) -> Tables:
    """Lanes and history of several trainings."""
    lanes, history = zip(*parts, strict=True)
    return pd.concat(lanes, ignore_index=True), pd.concat(history, ignore_index=True)


def screened(size: int, seeds: range) -> Tables:
    """One pack: the default grid of rates, and those between the best and its neighbours."""
    found = trained(size, RATES, seeds)
    for _ in range(edges.REFINEMENTS):
        best = edges.best_rates(*found, int(BUDGET * fewest(size)), edges.MIDDLE)
        between = edges.rates_between(found[0], best)
        if between:
            found = together(found, trained(size, np.array(between), seeds))
    return found


def study(number: int) -> Outcome:
    """A whole study; another number has other seeds."""
    first = 10_000 * number
    screen, confirm = range(first, first + SCREEN), range(first + 5000, first + 5000 + CONFIRM)
    lanes, history = together(*[screened(size, screen) for size in SIZES])
    smooth = targets.curves(lanes, history, "val_loss")
    selection = winners.winners(winners.by_rate(lanes, smooth, "val_loss", MODEL.target))
    parts = []
    for size in SIZES:
        of_size = selection[selection["batch_size"] == size]
        two = of_size[of_size["criterion"].isin(TWO_FASTEST)]
        parts.append(trained(size, np.sort(two["lr"].to_numpy(float)), confirm))
    lanes, history = together(*parts)
    smooth = targets.curves(lanes, history, "val_loss")
    arrived = targets.arrivals(lanes, smooth, "val_loss", MODEL.target)
    selection = winners.settled(selection, arrived)
    runs = critical.runs_of(steps.counted(arrived, selection), selection, "baseline")
    fit = critical.fit(runs)
    assert fit is not None
    fastest = selection[selection["criterion"] == "fastest"]
    chosen = dict(zip(fastest["batch_size"], fastest["lr"], strict=True))
    excess = {
        size: MODEL.steps_to_target(size, lr) / fewest(size) - 1 for size, lr in chosen.items()
    }
    return Outcome(runs, fit, excess)
