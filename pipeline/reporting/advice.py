"""What stands beside the recommendation: its score, rival rules, other targets and limits."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from pipeline.analysis import critical, recommendation, targets, tradeoff
from pipeline.analysis.critical import Critical
from pipeline.analysis.lines import Bend
from pipeline.analysis.recommendation import Recommendation
from pipeline.params import Params
from pipeline.reporting import text
from pipeline.reporting.axes import Frame
from pipeline.reporting.measurements import Measurements

ROUNDING = 1e-9
"""Equal scores differ by no more."""


def score_words(params: Params, advice: Recommendation, frame: Frame) -> str:
    """How the recommended batch size's score compares with the best one's."""
    if advice.best is None or pd.isna(advice.best["score_difference"]):
        return ""
    low, high = advice.best["score_difference_low"], advice.best["score_difference_high"]
    margin = text.number(params.limits.score_margin)
    if abs(advice.best["score_difference"]) < ROUNDING:
        return f"No setting has a higher mean test {frame.score_name} at the end of the budget."
    shown = (
        f"no worse than the margin of {margin}"
        if recommendation.is_not_worse(advice.best, params.limits)
        else f"not shown to be within the margin of {margin}"
    )
    return (
        f"Trained to the end of the budget its test {frame.score_name} differs from the highest by "
        f"{text.number(advice.best['score_difference'])} (95 % interval "
        f"{text.interval(low, high)}, paired by seed): {shown}."
    )


def neighbours_words(table: pd.DataFrame, advice: Recommendation, frame: Frame) -> str:
    """What the next smaller and the next larger batch size of the grid cost."""
    best = advice.best
    if best is None:
        return ""
    own = table[table["variant"] == best["variant"]].sort_values("batch_size")
    smaller = own[own["batch_size"] < best["batch_size"]].tail(1)
    larger = own[own["batch_size"] > best["batch_size"]].head(1)
    said = [
        f"{text.batch_size(row['batch_size'], frame.examples)}{text.price(row, best)}"
        for _, row in pd.concat([smaller, larger]).iterrows()
    ]
    return f"Its neighbours on the grid: {'; '.join(said)}." if said else ""


def window_words(windows: pd.DataFrame, advice: Recommendation) -> str:
    """Which other rates would do at the recommended batch size."""
    best = advice.best
    if best is None:
        return ""
    own = windows[
        (windows["variant"] == best["variant"]) & (windows["batch_size"] == best["batch_size"])
    ].iloc[0]
    if own["lowest"] == own["highest"]:
        return "No other rate of the grid reaches the target at that batch size with most seeds."
    return (
        f"At that batch size rates from {text.rate(own['lowest'])} to {text.rate(own['highest'])} "
        "reach the target with most seeds."
    )


def rivals_words(
    table: pd.DataFrame,
    advice: Recommendation,
    fits: Mapping[str, Critical],
    bend: Bend | None,
    frame: Frame,
) -> str:
    """What the two rules of the literature would have chosen here, and at what price.

    fits: by variant; bend: of the first variant's throughput, which speaks of no other.
    """
    if advice.best is None:
        return ""
    variant, said = advice.best["variant"], []
    own_bend = bend if variant == frame.variants[0] else None
    for rival in recommendation.rivals(table, advice.best, fits.get(variant), own_bend):
        if rival.choice is not None:
            size = text.batch_size(rival.choice["batch_size"], frame.examples)
            said.append(f"the {rival.rule} would be {size}{text.price(rival.choice, advice.best)}")
    return f"Rules of thumb: {'; '.join(said)}." if said else ""


def sensitivity(
    found: Measurements,
    params: Params,
    chosen: tuple[float, Recommendation, Critical | None],
    frame: Frame,
) -> pd.DataFrame:
    """The recommended and the critical batch size under an easier and a harder target, beside
    those of the target as ``chosen``.

    From the same confirmed trainings: the rates stay those that won for the main target.
    """
    metric = params.target.metric
    rows = {"as chosen": target_row("as chosen", *chosen)}
    for name, aim in targets.alternatives(metric, chosen[0]).items():
        table = tradeoff.table(
            found.selection.assign(target=aim), found.confirmed, found.confirmed_lanes,
            found.final_scores, found.throughput,
        )  # fmt: skip
        steps = tradeoff.confirmed_steps(found.confirmed, found.confirmed_lanes, metric, aim)
        runs = critical.runs_of(steps, found.selection, frame.variants[0])
        advice = recommendation.recommend(table, params.limits)
        rows[name] = target_row(name, aim, advice, critical.fit(runs, None))
    return pd.DataFrame([rows[name] for name in ("easier", "as chosen", "harder")])


def target_row(
    name: str, aim: float, advice: Recommendation, fit: Critical | None
) -> dict[str, Any]:
    """One line of the sensitivity table."""
    best = advice.best
    return {
        "target": name,
        "value": aim,
        "recommended_variant": None if best is None else best["variant"],
        "recommended_batch_size": None if best is None else best["batch_size"],
        "recommended_lr": None if best is None else best["lr"],
        "seconds_to_target": None if best is None else best["seconds_to_target"],
        "critical_batch_size": None if fit is None else fit.curve.critical,
        "critical_batch_size_low": None if fit is None else fit.low,
        "critical_batch_size_high": None if fit is None else fit.high,
        "identified": None if fit is None else fit.identified,
    }


def sensitivity_words(table: pd.DataFrame) -> str:
    """The other two targets in a sentence."""
    said = []
    for row in table[table["target"] != "as chosen"].itertuples():
        chosen = (
            "no batch size could be recommended"
            if pd.isna(row.recommended_batch_size)
            else f"batch size {row.recommended_batch_size:.0f} with learning rate "
            f"{text.rate(row.recommended_lr)}{text.of_variant(row.recommended_variant)} would be "
            "recommended"
        )
        within = text.interval(row.critical_batch_size_low, row.critical_batch_size_high)
        size = f"{text.number(row.critical_batch_size)} ({within})"
        known = not pd.isna(row.critical_batch_size) and row.identified == "yes"
        fitted = f", with critical batch size {size}" if known else ""
        said.append(f"at {row.value:.4g} ({row.target}) {chosen}{fitted}")
    words = "; ".join(said)
    return f"With another target, from the same trainings: {words}."


def setting(row: pd.Series, frame: Frame) -> str:
    """A batch size with its rate and variant, and how many seeds arrive if some do not."""
    some = (
        f", of which {row['reached']:.0f} of {row['seeds']:.0f} seeds reach the target"
        if row["reached"] < row["seeds"]
        else ""
    )
    size = text.batch_size(row["batch_size"], frame.examples)
    return (
        f"batch size {size} with learning rate {text.rate(row['lr'])}{text.variant_of(row)}{some}"
    )


def limits_words(table: pd.DataFrame, params: Params, advice: Recommendation, frame: Frame) -> str:
    """What stricter limits would make of the recommendation."""
    if advice.best is None:
        return ""
    shown = {
        "seconds": lambda bound: f"less than {text.seconds(bound)}",
        "memory_gb": lambda bound: f"less memory than {text.size(bound * 2**30)}",
        "score": lambda bound: f"a test {frame.score_name} above {text.number(bound)}",
    }
    said = []
    for limit in recommendation.sensitivity(table, params.limits, advice.best):
        left = "nothing" if limit.choice is None else setting(limit.choice, frame)
        said.append(f"{shown[limit.limit](limit.bound)} would leave {left}")
    return f"A limit of {'; '.join(said)}."
