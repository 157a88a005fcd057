"""Would another target change the answer? The recommended and the critical batch size beside it."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from pipeline.analysis import critical, recommendation, tradeoff
from pipeline.analysis.critical import Critical
from pipeline.analysis.measurements import Measurements
from pipeline.analysis.recommendation import Recommendation
from pipeline.params.load import Params
from pipeline.selection import targets


def other_targets(
    params: Params, measured: Measurements, advice: Recommendation, fit: Critical | None
) -> pd.DataFrame:
    """One row each for an easier target, the one chosen, and a harder one.

    advice, fit: the recommendation and the first variant's fit for the chosen target. From the
    same confirmed trainings: the rates stay those that won for it.
    """
    metric, first = params.target.metric, params.grid.variant[0]
    rows = {"as chosen": target_row("as chosen", measured.target, advice, fit)}
    for name, target in targets.alternatives(metric, measured.target).items():
        confirmed = tradeoff.confirmed_steps(
            measured.confirmed, measured.confirmed_lanes, metric, target
        )
        table = tradeoff.table(
            measured.selection, confirmed, measured.final_scores, measured.throughput
        )
        runs = critical.runs_of(confirmed, measured.selection, first)
        other = recommendation.recommend(table, params.limits)
        rows[name] = target_row(name, target, other, critical.fit(runs, None))
    return pd.DataFrame([rows[name] for name in ("easier", "as chosen", "harder")])


def target_row(
    name: str, target: float, advice: Recommendation, fit: Critical | None
) -> Mapping[str, Any]:
    """The table's line for one target."""
    best = advice.best
    return {
        "target": name,
        "value": target,
        "recommended_variant": None if best is None else best["variant"],
        "recommended_batch_size": None if best is None else best["batch_size"],
        "recommended_lr": None if best is None else best["lr"],
        "seconds_to_target": None if best is None else best["seconds_to_target"],
        "critical_batch_size": None if fit is None else fit.curve.critical,
        "critical_batch_size_low": None if fit is None else fit.low,
        "critical_batch_size_high": None if fit is None else fit.high,
        "identified": None if fit is None else fit.identified,
    }
