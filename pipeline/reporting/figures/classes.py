"""How many examples each class has."""

import numpy as np
import seaborn as sns
from matplotlib.figure import Figure

from pipeline.analysis.study import Study
from pipeline.reporting.figures.axes import ROW_INCHES
from pipeline.reporting.figures.features import note_words
from pipeline.reporting.figures.illustration import Illustration
from pipeline.reporting.words import numbers

MOST_CLASSES = 30
PARTS = ["train", "val", "test"]


def draw(study: Study) -> Figure:
    """Examples of each class, stacked by part; of many classes the most frequent."""
    table = study.measured.classes
    table = table.assign(total=table[PARTS].sum(axis=1))
    if len(table) > MOST_CLASSES:
        table = table.sort_values("total", ascending=False, kind="stable").head(MOST_CLASSES)
    figure = Figure(figsize=(7.5, 1.2 + ROW_INCHES * max(4, len(table))), layout="constrained")
    axis, left = figure.subplots(), np.zeros(len(table))
    for part, colour in zip(PARTS, sns.color_palette("colorblind", 3), strict=True):
        axis.barh(range(len(table)), table[part], left=left, color=colour, label=part)
        left += table[part].to_numpy()
    names = [name if name.strip() else f"'{name}'" for name in table["class"].astype(str)]
    axis.set_yticks(range(len(table)), names)
    axis.invert_yaxis()
    axis.grid(visible=False, axis="y")
    axis.set_xlabel("tokens" if is_text(study) else "examples")
    figure.legend(loc="outside upper center", ncols=3, frameon=False)
    return figure


def is_text(study: Study) -> bool:
    """Whether the classes are the tokens of a text."""
    return bool(study.measured.data["task"] == "language")


def caption(study: Study) -> str:
    """The rarest and the commonest class."""
    classes = study.measured.classes
    total = classes[PARTS].sum(axis=1)
    if is_text(study):
        most = classes.loc[total.nlargest(3).index, "class"]
        shown, share = ", ".join(f"'{name}'" for name in most), total.max() / total.sum()
        counted = (
            f"{len(classes):,} kinds of tokens, {total.sum():,} to predict; the commonest are "
            f"{shown}, the first of them {100 * share:.0f} % of all."
        )
        return " ".join([counted, *note_words(study.measured.data)])
    rare, common = classes.loc[total.idxmin(), "class"], classes.loc[total.idxmax(), "class"]
    ratio = numbers.number(total.max() / total.min())
    balanced = "; the balanced accuracy, which counts every class alike, stands beside the accuracy"
    return (
        f"{len(classes)} classes, from {total.min():,} examples ({rare}) to {total.max():,} "
        f"({common}), a factor {ratio}{balanced if study.is_imbalanced else ''}."
    )


ILLUSTRATION = Illustration(
    "classes",
    "Examples of each class",
    "classes",
    draw,
    caption,
    has_data=lambda study: len(study.measured.classes) > 0,
)
