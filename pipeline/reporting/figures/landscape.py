"""The loss between and around the first variant's solutions."""

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.analysis.study import Study
from pipeline.reporting.figures.axes import plain_log, size_label
from pipeline.reporting.figures.illustration import Illustration
from pipeline.reporting.words import numbers

ENDS = ("batch_size", "other_batch_size")
"""The columns with the batch sizes at both ends of a line."""


def paths(study: Study, path: str) -> pd.DataFrame:
    """The first variant's points on ``line`` or ``slice``."""
    table = study.of_first(study.measured.landscape)
    return table[table["path"] == path]


def draw(study: Study) -> Figure:
    """Loss and score on the line between two solutions, and loss along a slice around each."""
    line, cut, frame = paths(study, "line"), paths(study, "slice"), study.frame
    figure = Figure(figsize=(9.5, 3.4), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    colours = sns.color_palette("colorblind", 2)
    for colour, part in zip(colours, ("train", "test"), strict=True):
        along(left, line, f"{part}_loss", colour, part)
        along(middle, line, f"{part}_score", colour, part)
    for colour, (size, rows) in zip(colours, cut.groupby("batch_size"), strict=False):
        along(right, rows, "train_loss", colour, f"batch size {size_label(size, frame.examples)}")
    plain_log(left)
    plain_log(right)
    left.set_ylabel("loss")
    middle.set_ylabel(frame.score_name)
    right.set_ylabel("training loss")
    if len(line):
        ends = [size_label(int(line[name].iloc[0]), frame.examples) for name in ENDS]
        for axis in (left, middle):
            axis.set_xticks([-1, 0, 1, 2], ["−1", f"B = {ends[0]}", f"B = {ends[1]}", "2"])
            for end in (0, 1):
                axis.axvline(end, color="0.7", linewidth=1, zorder=0)
    left.set_xlabel("line between solutions")
    middle.set_xlabel("line between solutions")
    right.set_xlabel("random direction, own scale")
    left.legend(frameon=False)
    right.legend(frameon=False, fontsize=8)
    return figure


def along(axis: Axes, table: pd.DataFrame, column: str, colour: object, label: str) -> None:
    """Each seed's path, thin, and their median."""
    by_seed = table.pivot_table(index="position", columns="seed", values=column)
    axis.plot(by_seed.index, by_seed, color=colour, alpha=0.25, linewidth=1)
    axis.plot(by_seed.index, by_seed.median(axis=1), color=colour, label=label)


def caption(study: Study) -> str:
    """Which solutions, and what lies between them."""
    line, examples = paths(study, "line"), study.frame.examples
    looked_at = min(study.params.evaluation.examples, examples)
    start = f"Thin: single seeds, thick: their median, {looked_at:,} training examples. "
    if line.empty:
        return start + "A line needs two batch sizes with solutions of one seed."
    first, second = (numbers.batch_size(int(line[name].iloc[0]), examples) for name in ENDS)
    peak = study.line_peak_ratio
    return (
        f"{start}Left and middle: the straight line from the solution of batch size {first} to "
        f"that of {second}, and beyond; between them the training loss peaks at "
        f"{numbers.number(peak.value)} times the higher end (n = {peak.n}). Right: one random "
        "direction of each solution's own scale."
    )


ILLUSTRATION = Illustration(
    "landscape",
    "The loss between and around the solutions",
    "landscape",
    draw,
    caption,
    lambda study: not study.measured.landscape.empty,
)
