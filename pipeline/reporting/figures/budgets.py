"""The best validation score under three budgets that favour different batch sizes."""

import seaborn as sns
from matplotlib.figure import Figure

from pipeline.analysis.study import Study
from pipeline.reporting.figures.axes import (
    MARKERS,
    batch_axis,
    by_variant,
    rows_height,
    with_band,
)
from pipeline.reporting.figures.illustration import Illustration
from pipeline.reporting.words import numbers


def draw(study: Study) -> Figure:
    """A line for each budget, a panel for each variant."""
    table, frame = study.budgets, study.frame
    names = list(dict.fromkeys(table["budget"]))
    figure = Figure(figsize=(7.5, rows_height(3.6, frame)), layout="constrained")
    panels = figure.subplots(len(frame.variants), 1, squeeze=False)[:, 0]
    colours = sns.color_palette("colorblind", len(names))
    for (_, variant, rows), axis in zip(by_variant(table, frame), panels, strict=True):
        for index, name in enumerate(names):
            style = {"color": colours[index], "marker": MARKERS[index]}
            with_band(axis, rows[rows["budget"] == name], "val_score", label=name, **style)
        batch_axis(axis, sorted(set(table["batch_size"])), frame.examples)
        axis.set_ylabel(f"validation {frame.score_name}")
        axis.set_title(variant if len(panels) > 1 else "", loc="left")
    panels[0].legend(frameon=False)
    return figure


def caption(study: Study) -> str:
    """The best batch size under each budget."""
    by_budget = []
    for name, rows in study.of_first(study.budgets).groupby("budget", sort=False):
        best = rows.loc[rows["val_score"].idxmax()]
        limit = {
            "equal epochs": f" ({best['limit']:.3g})",
            "equal steps": f" ({best['limit']:.0f})",
        }.get(str(name), "")
        where, score = numbers.place(best, study.frame), numbers.number(best["val_score"])
        by_budget.append(f"{name}{limit}: {where} with {score}")
    if not by_budget:
        return "At every rate some seed diverged."
    return (
        f"Best validation {study.frame.score_name} by budget: {'; '.join(by_budget)}. Each point "
        f"is the best rate's mean over the {study.budgets['seeds'].max()} seeds that chose it, "
        "with its 95 % interval."
    )


ILLUSTRATION = Illustration(
    "budgets",
    "The best score under three budgets",
    "budgets",
    draw,
    caption,
    lambda study: not study.budgets.empty,
)
