"""What the report says about scaling: the critical batch size and the learning-rate rule."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipeline.analysis import critical, descent, rates
from pipeline.analysis.critical import Critical, Curve, Runs
from pipeline.reporting import figures_scaling, text
from pipeline.reporting.axes import Frame
from pipeline.reporting.illustration import Illustration


@dataclass(frozen=True)
class Scaling:
    """Figures of steps and of rates, the tables behind them, every variant's fit, the first one's,
    and the curves of those whose batch does not grow."""

    of_steps: tuple[Illustration, ...]
    of_rates: tuple[Illustration, ...]
    tables: dict[str, pd.DataFrame]
    fits: dict[str, Critical]
    curves: dict[str, Curve]
    critical: Critical | None
    windows: pd.DataFrame


def scaling(
    by_rate: pd.DataFrame, selection: pd.DataFrame, confirmed: pd.DataFrame, seed: int, frame: Frame
) -> Scaling:
    """Fit every variant; a figure without data is left out."""
    runs = {name: critical.runs_of(confirmed, selection, name) for name in frame.variants}
    found = {name: critical.fit(own, seed) for name, own in runs.items()}
    fits = {name: own for name, own in found.items() if own is not None}
    window = rates.windows(by_rate, selection)
    first = frame.variants[0]
    return Scaling(
        critical_illustration(runs[first], fits.get(first), frame),
        (*rates_illustration(window, frame), descent_illustration()),
        {"critical": table(fits), "windows": window, "descent": paths()},
        fits,
        {name: own.curve for name, own in fits.items() if not grows(confirmed, name)},
        fits.get(first),
        window,
    )


def grows(confirmed: pd.DataFrame, variant: str) -> bool:
    """Whether any training saw more examples than its first batch size makes of its steps."""
    own = confirmed[confirmed["variant"] == variant]
    return bool(
        (own["examples_to_target"] > 1.001 * own["batch_size"] * own["steps_to_target"]).any()
    )


def critical_illustration(
    runs: Runs, found: Critical | None, frame: Frame
) -> tuple[Illustration, ...]:
    """The first variant's fit and what it misses, where it could be fitted."""
    if found is None:
        return ()
    shown = Illustration(
        "critical",
        "Where larger batches stop saving steps",
        critical_caption(found, runs, frame),
        figures_scaling.critical(runs, found, frame),
        "critical",
    )
    return (shown,)


def rates_illustration(window: pd.DataFrame, frame: Frame) -> tuple[Illustration, ...]:
    """The best rates and the good windows, where any rate reached the target."""
    if window.empty:
        return ()
    slope, _ = rates.exponent(window, frame.variants[0])
    own = window[window["variant"] == frame.variants[0]]
    shown = Illustration(
        "rates",
        "The best learning rate by batch size",
        rates_caption(own, slope.value, slope.low, slope.high),
        figures_scaling.rates(window, slope, frame),
        "windows",
    )
    return (shown,)


def descent_illustration() -> Illustration:
    """Descents on two variables."""
    return Illustration(
        "descent",
        "What a learning rate does, on two variables",
        f"{descent.STEPS} steps from the square, none of it from these data; paths that leave the "
        "panel go on.",
        figures_scaling.descent(descent.EXAMPLES),
        "descent",
    )


def table(fits: dict[str, Critical]) -> pd.DataFrame:
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


def critical_caption(found: Critical, runs: Runs, frame: Frame) -> str:
    """The critical batch size with its intervals, the regimes, and how well the curve fits."""
    sizes = sorted({int(size) for size in runs.batch_size})
    odds = critical.lack_of_fit(runs, found.curve)
    misfit = (
        f" Batch sizes miss the curve by more than their seeds' spread (p = {odds:.2g}): the "
        "interval is too narrow."
        if odds < 0.05
        else ""
    )
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
    likely = text.interval(found.low, found.high)
    resampled = text.interval(found.resampled_low, found.resampled_high)
    spread = text.number(float(np.exp(found.curve.spread)))
    return (
        f"Critical batch size {text.number(found.curve.critical)} (95 % profile-likelihood "
        f"interval {likely}; resampling seeds {resampled}), from {found.n} trainings, "
        f"{found.missed} of them censored.{where} {'; '.join(said).capitalize()}. {knee} "
        f"(p = {found.probability:.2g}); single seeds spread by a factor {spread} around the "
        f"curve.{misfit}"
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
