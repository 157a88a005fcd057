"""How the weights grow along the training."""

from matplotlib.figure import Figure

from pipeline.analysis.study import Study
from pipeline.reporting.figures.axes import (
    by_variant,
    plain_log,
    rows_height,
    size_colours,
    size_label,
)
from pipeline.reporting.figures.illustration import Illustration
from pipeline.reporting.words import numbers

LABELS = {
    "weight_norm": "length of the weights",
    "largest_weight": "largest weight",
    "update_to_weight": "update / weights",
}


def draw(study: Study) -> Figure:
    """Length of the weights, largest weight and relative update, a row for each variant."""
    curves, frame = study.curves, study.frame
    figure = Figure(figsize=(9.5, rows_height(3.3, frame)), layout="constrained")
    panels = figure.subplots(len(frame.variants), 3, squeeze=False)
    colours = size_colours(sorted(set(curves["batch_size"])))
    for (_, variant, rows), row in zip(by_variant(curves, frame), panels, strict=True):
        for axis, (name, label) in zip(row, LABELS.items(), strict=True):
            for size, table in rows.groupby("batch_size"):
                median = table.groupby("step")[name].median()
                axis.plot(
                    median.index, median, color=colours[size],
                    label=size_label(size, frame.examples),
                )  # fmt: skip
            axis.set_xscale("log")
            axis.set_xlabel("steps")
            axis.set_ylabel(label)
        plain_log(row[2])
        row[0].set_title(variant if frame.has_variants else "", loc="left")
    panels[0][0].legend(title="batch size", frameon=False, fontsize=7, title_fontsize=8)
    return figure


def caption(study: Study) -> str:
    """How much the weights grew at the smallest and the largest batch size."""
    growth = study.weight_growth
    by_size = growth.groupby("batch_size").median()
    ends = [
        f"{numbers.number(by_size.loc[size])} times at batch size "
        f"{numbers.batch_size(size, study.frame.examples)}"
        for size in dict.fromkeys([by_size.index[0], by_size.index[-1]])
    ]
    seeds = growth.index.get_level_values("seed").nunique()
    return (
        f"Medians over {seeds} seeds at the fastest rates. From the first "
        f"evaluation to the last the weights' length grows {' and '.join(ends)}."
    )


ILLUSTRATION = Illustration(
    "weights",
    "How the weights grow",
    "curves",
    draw,
    caption,
    lambda study: bool(study.curves["weight_norm"].notna().any()),
)
