"""What the report says about scaling: the critical batch size and the learning-rate rule."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipeline.analysis import critical, descent, rates, recommendation, targets, tradeoff
from pipeline.analysis.critical import Critical
from pipeline.params import Params
from pipeline.reporting import figures, text
from pipeline.reporting.figures import Frame
from pipeline.reporting.illustration import Illustration
from pipeline.reporting.measurements import Measurements


@dataclass(frozen=True)
class Scaling:
    """Figures, the tables behind them, and the first variant's fit."""

    illustrations: tuple[Illustration, ...]
    tables: dict[str, pd.DataFrame]
    critical: Critical | None
    windows: pd.DataFrame


def scaling(
    by_rate: pd.DataFrame, selection: pd.DataFrame, confirmed: pd.DataFrame, seed: int, frame: Frame
) -> Scaling:
    """Fit every variant; a figure without data is left out."""
    runs = {name: critical.runs_of(confirmed, selection, name) for name in frame.variants}
    fits = {name: critical.fit(own, seed) for name, own in runs.items()}
    window = rates.windows(by_rate, selection)
    first, shown = frame.variants[0], []
    found = fits[first]
    if found is not None:
        shown.append(
            Illustration(
                "critical",
                "Where larger batches stop saving steps",
                critical_caption(found, runs[first].batch_size, frame),
                figures.critical(runs[first], found, frame),
                "critical",
            )
        )
    if len(window):
        slope, _ = rates.exponent(window, first)
        shown.append(
            Illustration(
                "rates",
                "The best learning rate by batch size",
                rates_caption(
                    window[window["variant"] == first], slope.value, slope.low, slope.high
                ),
                figures.rates(window, slope, frame),
                "windows",
            )
        )
    shown.append(
        Illustration(
            "descent",
            "What a learning rate does, on two variables",
            f"{descent.STEPS} steps from the square, none of it from these data; paths that leave "
            "the panel go on.",
            figures.descent(descent.EXAMPLES),
            "descent",
        )
    )
    tables = {"critical": table(fits), "windows": window, "descent": paths()}
    return Scaling(tuple(shown), tables, found, window)


def sensitivity(found: Measurements, params: Params, target: float, frame: Frame) -> pd.DataFrame:
    """The recommended and the critical batch size under an easier and a harder target.

    From the same confirmed trainings: the rates stay those that won for the main target.
    """
    metric, first = params.target.metric, frame.variants[0]
    rows = []
    for name, value in {"easier": None, "as chosen": target, "harder": None}.items():
        aim = targets.alternatives(metric, target)[name] if value is None else value
        table = tradeoff.table(
            found.selection.assign(target=aim), found.confirmed, found.confirmed_lanes,
            found.evaluation, found.throughput,
        )  # fmt: skip
        best = recommendation.recommend(table, params.limits).best
        steps = tradeoff.confirmed_steps(found.confirmed, found.confirmed_lanes, metric, aim)
        fit = critical.fit(critical.runs_of(steps, found.selection, first), params.seed)
        rows.append(
            {
                "target": name,
                "value": aim,
                "recommended_batch_size": None if best is None else best["batch_size"],
                "seconds_to_target": None if best is None else best["seconds_to_target"],
                "critical_batch_size": None if fit is None else fit.curve.critical,
                "critical_batch_size_low": None if fit is None else fit.low,
                "critical_batch_size_high": None if fit is None else fit.high,
            }
        )
    return pd.DataFrame(rows)


def sensitivity_words(table: pd.DataFrame) -> str:
    """The other two targets in a sentence."""
    said = []
    for row in table[table["target"] != "as chosen"].itertuples():
        chosen = (
            "no batch size could be recommended"
            if pd.isna(row.recommended_batch_size)
            else f"batch size {row.recommended_batch_size:.0f} would be recommended"
        )
        size = text.number(row.critical_batch_size)
        fitted = "" if pd.isna(row.critical_batch_size) else f", with critical batch size {size}"
        said.append(f"at {row.value:.4g} ({row.target}) {chosen}{fitted}")
    words = "; ".join(said)
    return f"With another target, from the same trainings: {words}."


def table(fits: dict[str, Critical | None]) -> pd.DataFrame:
    """One row per variant that could be fitted."""
    rows = [
        {
            "variant": name,
            "critical_batch_size": found.curve.critical,
            "critical_batch_size_low": found.low,
            "critical_batch_size_high": found.high,
            "resampled_low": found.resampled_low,
            "resampled_high": found.resampled_high,
            "identified": found.identified,
            "least_steps": found.curve.least_steps,
            "least_examples": found.curve.least_examples,
            "log_spread": found.curve.spread,
            "knee_sharpness": found.sharper.sharpness,
            "knee_probability": found.probability,
            "trainings": found.n,
            "missed": found.missed,
        }
        for name, found in fits.items()
        if found is not None
    ]
    return pd.DataFrame(rows)


def paths() -> pd.DataFrame:
    """Every step of the descents on two variables."""
    tables = []
    for example in descent.EXAMPLES:
        path = example.path()
        own = pd.DataFrame({"step": range(len(path)), "x0": path[:, 0], "x1": path[:, 1]})
        tables.append(own.assign(example=example.name))
    return pd.concat(tables, ignore_index=True)


WHERE = {
    "above": "It lies above the batch sizes tried: only its lower bound means something.",
    "below": "Too few batch sizes lie well below it: only its upper bound means something.",
}


def critical_caption(found: Critical, batch_sizes: np.ndarray, frame: Frame) -> str:
    """The critical batch size with its intervals, the regimes, and how well the curve fits."""
    sizes = sorted({int(size) for size in batch_sizes})
    parts = critical.regimes(found.curve, sizes)
    said = [
        f"{word} at {', '.join(text.batch_size(size, frame.examples) for size in parts[key])}"
        for key, word in (
            ("perfect", "near-perfect scaling"),
            ("diminishing", "diminishing returns"),
            ("flat", "nothing more to gain"),
        )
        if parts[key]
    ]
    knee = (
        "A sharper knee does not fit better"
        if found.probability > 0.05
        else f"A knee of sharpness {text.number(found.sharper.sharpness)}, with critical batch "
        f"size {text.number(found.sharper.critical)}, fits better"
    )
    where = f" {WHERE[found.identified]}" if found.identified in WHERE else ""
    return (
        f"Critical batch size {text.number(found.curve.critical)} (95 % profile-likelihood "
        f"interval {text.number(found.low)} to {text.number(found.high)}; resampling seeds "
        f"{text.number(found.resampled_low)} to {text.number(found.resampled_high)}, too narrow "
        f"for few seeds), from {found.n} trainings, {found.missed} of them censored.{where} "
        f"{'; '.join(said).capitalize()}. {knee} (p = {found.probability:.2g}); single seeds "
        f"spread by a factor {text.number(float(np.exp(found.curve.spread)))} around the curve."
    )


def rates_caption(window: pd.DataFrame, slope: float, low: float, high: float) -> str:
    """The exponent and the width of the good window."""
    grows = (
        "Too few best rates lie inside the grid for an exponent."
        if np.isnan(slope)
        else f"The dashed line is B^{slope:.2f} (95 % interval {low:.2f} to {high:.2f})."
    )
    return (
        "Points: the rate that reaches the target in the fewest steps, refined by a parabola; "
        f"bars: rates that reach it with most seeds, {text.number(window['decades'].min())} to "
        f"{text.number(window['decades'].max())} powers of ten wide. {grows}"
    )
