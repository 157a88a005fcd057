"""Steps and examples to target against the batch size, with the fitted curves."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.analysis.study import Study
from pipeline.reporting.figures.axes import (
    by_variant,
    half_width,
    plain_log,
    to_the_points,
    variant_legend,
    with_band,
)
from pipeline.reporting.figures.illustration import Illustration
from pipeline.reporting.words import numbers


def draw(study: Study) -> Figure:
    """Points with the fitted curves, or lines between the points where there is none, and the line
    of perfect scaling."""
    frame, curves = study.frame, study.step_curves
    figure = Figure(figsize=(9.5, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    table = with_examples_interval(study.tradeoff)
    for style, name, rows in by_variant(table, frame):
        points = {**style, "linestyle": "none"} if name in curves else style
        with_band(left, rows, "steps_to_target", **points)
        with_band(right, rows, "examples_to_target", **points)
        if name in curves:
            sizes = np.geomspace(rows["batch_size"].min(), rows["batch_size"].max(), 100)
            line = {**style, "marker": "", "linewidth": 1.2}
            left.plot(sizes, curves[name].steps(sizes), **line)
            right.plot(sizes, sizes * curves[name].steps(sizes), **line)
    perfect_scaling(left, study.of_first(table))
    for axis, name in ((left, "steps_to_target"), (right, "examples_to_target")):
        to_the_points(axis, table[name])
        plain_log(axis)
        half_width(axis, name.replace("_", " "), table, frame)
    variant_legend(figure, frame)
    return figure


def with_examples_interval(table: pd.DataFrame) -> pd.DataFrame:
    """Bounds of the examples to target, as far from it as those of the steps."""
    ratio = table["examples_to_target"] / table["steps_to_target"]
    ends = {f"examples_to_target_{end}": table[f"steps_to_target_{end}"] * ratio
            for end in ("low", "high")}  # fmt: skip
    return table.assign(**ends)


def perfect_scaling(axis: Axes, table: pd.DataFrame) -> None:
    """Half the steps for twice the batch, from the smallest batch size that reached the target."""
    done = table.dropna(subset=["steps_to_target"])
    if len(done):
        ideal = done.iloc[0]["examples_to_target"] / done["batch_size"]
        label = "batch × steps constant"
        axis.plot(done["batch_size"], ideal, "--", color="0.5", label=label, zorder=1)
        axis.legend(frameon=False)


def caption(study: Study) -> str:
    """How steps and examples change from the smallest to the largest batch size."""
    done = study.of_first(study.tradeoff).dropna(subset=["steps_to_target"])
    if len(done) < 2:
        return "Fewer than two batch sizes reached the target: nothing to compare."
    first, last = done.iloc[0], done.iloc[-1]
    grown = numbers.number(last["batch_size"] / first["batch_size"])
    fewer = numbers.number(first["steps_to_target"] / last["steps_to_target"])
    more = numbers.number(last["examples_to_target"] / first["examples_to_target"])
    return (
        f"From batch size {numbers.place(first, study.frame)} to "
        f"{numbers.place(last, study.frame)} ({grown}× larger) the steps fall {fewer}× and the "
        f"examples grow {more}×. Bars: 95 % intervals over {int(done['seeds'].max())} "
        f"{study.seeds_named}; lines: S_min + E_min / B, fitted to single seeds, where it can be."
    )


ILLUSTRATION = Illustration("steps", "Steps and examples to target", "tradeoff", draw, caption)
