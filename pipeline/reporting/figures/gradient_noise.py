"""How noisy the first variant's gradient is, and how that compares with the critical batch size."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.analysis.frame import Frame
from pipeline.analysis.study import Study
from pipeline.reporting.figures.axes import (
    MARKERS,
    counts_axis,
    half_width,
    plain_log,
    with_band,
)
from pipeline.reporting.figures.illustration import Illustration
from pipeline.reporting.words import numbers

MOMENTS = ("initial", "early", "middle", "end")


def shown_batch_size(study: Study) -> int:
    """The recommended batch size if its gradients were watched, else the middle one that was."""
    sizes = sorted(set(study.of_first(study.measured.gradient_noise)["batch_size"]))
    best = study.recommendation.best
    wanted = None if best is None else int(best["batch_size"])
    return sizes[len(sizes) // 2] if wanted is None or wanted not in sizes else wanted


def critical_batch_size(study: Study) -> float | None:
    """The first variant's, where the data bound it."""
    fit = study.critical
    return fit.curve.critical if fit is not None and fit.is_bounded else None


def draw(study: Study) -> Figure:
    """Error and cosine of minibatch gradients at one batch size's training, and noise scales."""
    compared, frame = study.of_first(study.measured.gradient_noise), study.frame
    figure = Figure(figsize=(9.5, 3.4), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    colours = dict(zip(MOMENTS, sns.color_palette("viridis", len(MOMENTS)), strict=True))
    shown = compared["batch_size"] == shown_batch_size(study)
    rows = compared[shown | (compared["moment"] == "initial")]
    for place, (moment, table) in enumerate(rows.groupby("moment", sort=False)):
        style = {"color": colours[moment], "marker": MARKERS[place], "markersize": 4}
        left.plot(table["examples"], table["relative_error"], label=moment, **style)
        middle.plot(table["examples"], table["cosine"], **style)
    sizes = np.array(sorted(set(rows["examples"])))
    left.plot(sizes, rows["relative_error"].max() / np.sqrt(sizes), "--", color="0.5", label="1/√m")
    plain_log(left)
    for axis, label in ((left, "relative error"), (middle, "cosine")):
        counts_axis(axis, sizes[::2], "examples in the gradient")
        axis.tick_params(axis="x", labelsize=8)
        axis.set_ylabel(label)
    left.legend(frameon=False, fontsize=8)
    scales = study.of_first(study.noise_scales)
    noise_scales(right, scales, colours, critical_batch_size(study), frame)
    return figure


def noise_scales(
    axis: Axes, scales: pd.DataFrame, colours: Mapping[str, object], critical: float | None,
    frame: Frame,
) -> None:  # fmt: skip
    """The noise scale by batch size and moment, beside the measured critical batch size."""
    known = scales.dropna(subset=["noise_scale"])
    for place, (moment, rows) in enumerate(known.groupby("moment", sort=False)):
        with_band(
            axis, rows, "noise_scale", color=colours[str(moment)], linestyle="none", markersize=4,
            marker=MARKERS[place],
        )  # fmt: skip
    if critical is not None:
        axis.axhline(critical, color="0.3", linestyle=":", label="critical batch size")
        axis.legend(frameon=False, fontsize=8)
    plain_log(axis)
    half_width(axis, "noise scale (examples)", scales, frame)


def caption(study: Study) -> str:
    """The exponent, and the noise scales beside the critical batch size."""
    size, critical = shown_batch_size(study), critical_batch_size(study)
    scales = study.of_first(study.noise_scales)
    watched = scales[(scales["batch_size"] == size) | (scales["moment"] == "initial")]
    by_moment = [
        f"{row.moment} {numbers.number(row.noise_scale)} "
        f"({numbers.interval(row.noise_scale_low, row.noise_scale_high)})"
        if np.isfinite(row.noise_scale)
        else f"{row.moment} not resolved"
        for row in watched.itertuples()
    ]
    population = int(study.of_first(study.measured.gradient_noise)["population"].max())
    beside = "" if critical is None else f"; the critical batch size is {numbers.number(critical)}"
    return (
        "Left and middle: the training at batch size "
        f"{numbers.batch_size(size, study.frame.examples)}; over all trainings the error falls as "
        f"m^{study.noise_exponent.value:.2f} once corrected for drawing from {population:,} "
        "examples without replacement. Right: the gradient noise scale, an order of magnitude "
        f"only, here {', '.join(by_moment)}{beside}. It is not resolved where the noise hides the "
        "gradient."
    )


ILLUSTRATION = Illustration(
    "gradient_noise",
    "How noisy the gradient is",
    "gradient_noise",
    draw,
    caption,
    has_data=lambda study: len(study.of_first(study.measured.gradient_noise)) > 0,
)
