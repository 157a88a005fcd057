"""How sharp the solutions are, by three measures, and whether curvature limits the rate."""

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.analysis.curvature import MEASURES
from pipeline.analysis.frame import Frame
from pipeline.analysis.study import Study
from pipeline.reporting.figures.axes import (
    MARKERS,
    by_variant,
    half_width,
    plain_log,
    to_the_points,
    variant_legend,
    with_band,
)
from pipeline.reporting.figures.illustration import Illustration

POINTS = {"early": "a tenth in", "middle": "half-way", "solution": "end, best rate"}


def draw(study: Study) -> Figure:
    """Three measures, and rate times curvature, against the batch size."""
    table, frame = study.sharpness, study.frame
    figure = Figure(figsize=(9.5, 6.2), layout="constrained")
    panels = figure.subplots(2, 2).ravel()
    for axis, (name, words) in zip(panels, MEASURES.items(), strict=False):
        for style, _, rows in by_variant(table, frame):
            with_band(axis, rows, name, **style)
        to_the_points(axis, table[name])
        plain_log(axis)
        half_width(axis, words, table, frame)
    variant_legend(figure, frame)
    stability(panels[3], study.stability, study.stability_limit, frame)
    return figure


def stability(axis: Axes, products: pd.DataFrame, limit: float | None, frame: Frame) -> None:
    """Rate times largest eigenvalue along the training, with the limit of full-batch descent."""
    colours = sns.color_palette("viridis", len(POINTS))
    for place, (point, words) in enumerate(POINTS.items()):
        rows = products[products["point"] == point]
        axis.plot(
            rows["batch_size"], rows["product"], marker=MARKERS[place], color=colours[place],
            label=words,
        )  # fmt: skip
    if limit is not None:
        axis.axhline(limit, color="0.3", linestyle="--", linewidth=1)
        axis.annotate(
            f"stability limit {limit:.3g}", (0.02, limit), xycoords=("axes fraction", "data"),
            xytext=(0, 3), textcoords="offset points", fontsize=8, color="0.3",
        )  # fmt: skip
    plain_log(axis)
    half_width(axis, "rate × largest eigenvalue", products, frame)
    axis.legend(frameon=False, fontsize=8)


def caption(study: Study) -> str:
    """Exponents by measure, and what the rescaling moved."""
    grows = [
        f"{MEASURES[name]} B^{exponent.value:.2f}"
        for name, exponent in study.sharpness_exponents.items()
        if exponent.n > 0
    ]
    looked_at = min(study.params.evaluation.examples, study.frame.examples)
    moved = [f"{row.measure} by {row.ratio:.3g}" for row in study.rescaling.itertuples()]
    exponents = f"; exponents: {', '.join(grows)}" if grows else ""
    control = (
        " Multiplying a layer and dividing the next leaves the function as it is, and "
        f"multiplies {', '.join(moved)}: a measure that moves tells of the weights, too."
        if moved
        else ""
    )
    return (
        f"At each batch size's best rate, on {looked_at:,} training examples, geometric mean and "
        f"95 % interval over seeds{exponents}. {stability_words(study)}{control}"
    )


def stability_words(study: Study) -> str:
    """At how many batch sizes rate times eigenvalue passes the limit of full-batch descent."""
    early, limit = study.stability[study.stability["point"] == "early"], study.stability_limit
    if limit is None or early.empty:
        return "Right below: rate × largest eigenvalue along the training."
    beyond = int((early["product"] > limit).sum())
    return (
        "Right below: rate × largest eigenvalue along the training; a tenth in it passes the "
        f"limit of full-batch descent, {limit:g}, at {beyond} of {len(early)} batch sizes."
    )


ILLUSTRATION = Illustration(
    "sharpness",
    "How sharp the solutions are",
    "sharpness",
    draw,
    caption,
    lambda study: not study.measured.sharpness.empty,
)
