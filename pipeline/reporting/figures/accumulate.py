"""What accumulating micro-batches costs."""

from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pipeline.analysis.study import Study
from pipeline.reporting.figures.axes import by_variant, counts_axis, plain_log, variant_legend
from pipeline.reporting.figures.illustration import Illustration
from pipeline.reporting.words import numbers

COSTS: dict[str, tuple[str, Any]] = {
    "time": ("relative_seconds", "-"),
    "memory": ("relative_bytes", ":"),
}
"""A column and a line style each."""


def draw(study: Study) -> Figure:
    """Time per step and memory of the largest batch against the number of micro-batches."""
    table, frame = study.accumulation, study.frame
    figure = Figure(figsize=(7.5, 3.4), layout="constrained")
    axis = figure.subplots()
    for style, _, rows in by_variant(table, frame):
        for column, line in COSTS.values():
            axis.plot(rows["micro_batches"], rows[column], **{**style, "linestyle": line})
    axis.axhline(1, color="0.5", linewidth=1)
    plain_log(axis, base=2)
    counts_axis(axis, table["micro_batches"], "micro-batches")
    axis.set_ylabel("relative to the whole batch")
    handles = [Line2D([], [], color="0.3", linestyle=line, label=name)
               for name, (_, line) in COSTS.items()]  # fmt: skip
    axis.legend(handles=handles, frameon=False, loc="upper left")
    variant_legend(figure, frame)
    return figure


def caption(study: Study) -> str:
    """What the most micro-batches cost."""
    most = study.of_first(study.accumulation).iloc[-1]
    return (
        f"Batch size {numbers.batch_size(most['batch_size'], study.frame.examples)} in "
        f"{most['micro_batches']} micro-batches takes {numbers.number(most['relative_seconds'])} "
        f"times as long and {numbers.number(most['relative_bytes'])} times the memory."
    )


ILLUSTRATION = Illustration(
    "accumulate",
    "What accumulating micro-batches costs",
    "accumulate",
    draw,
    caption,
    has_data=lambda study: len(study.accumulation) > 0,
)
