"""Does the loss wander more at small batches? And does noise help to leave a poor minimum?"""

import numpy as np
from matplotlib.figure import Figure

from pipeline.analysis.escape import STEPS, WALKERS
from pipeline.analysis.study import Study
from pipeline.reporting.figures.axes import (
    by_variant,
    counts_axis,
    half_width,
    plain_log,
    variant_legend,
)
from pipeline.reporting.figures.illustration import Illustration
from pipeline.reporting.words import numbers


def draw(study: Study) -> Figure:
    """Scatter of the loss near the target by batch size, and escapes from a poor minimum."""
    table, escapes, frame = study.oscillation, study.escapes, study.frame
    figure = Figure(figsize=(9.5, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    for style, _, rows in by_variant(table, frame):
        points = {**style, "linestyle": "none", "alpha": 0.5}
        left.plot(rows["batch_size"], rows["validation"], **points)
        medians = rows.groupby("batch_size")["validation"].median()
        left.plot(medians.index, medians, **{**style, "marker": ""})
    plain_log(left)
    half_width(left, "scatter of validation loss", table, frame)
    variant_legend(figure, frame)
    right.plot(escapes["batch_size"], escapes["share"], "o-", color="0.35")
    counts_axis(right, escapes["batch_size"], "batch size")
    right.set_ylabel("left the poor well")
    right.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    return figure


def caption(study: Study) -> str:
    """The exponent of the wandering, and the experiment in words."""
    exponent = study.oscillation_exponents["validation"]
    trend = (
        "Too few batch sizes for an exponent. "
        if np.isnan(exponent.value)
        else f"At like rates it goes as B^{exponent.value:.2f} "
        f"({numbers.interval(exponent.low, exponent.high)}, {exponent.n} batch sizes). "
    )
    return (
        "Left: how far the validation loss lies from the line between the evaluations before and "
        f"after, relative, near the target at the two fastest rates. {trend}Right, none of it from "
        f"these data: {WALKERS:,} noisy descents that start in the poorer of two wells, and the "
        f"share that leaves it within {STEPS:,} steps."
    )


ILLUSTRATION = Illustration(
    "oscillation", "Does the loss wander more at small batches?", "oscillation", draw, caption
)
