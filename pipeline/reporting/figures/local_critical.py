"""How large the batch may be at moments of a training."""

import numpy as np
import seaborn as sns
from matplotlib.figure import Figure

from pipeline.analysis.critical import OVERHEAD
from pipeline.analysis.study import Study
from pipeline.reporting.figures.axes import batch_axis, counts_axis, plain_log, size_label
from pipeline.reporting.figures.illustration import Illustration
from pipeline.reporting.words import numbers


def draw(study: Study) -> Figure:
    """What branches of larger batches gain, and how large they may be."""
    shares, table = study.branch_progress, study.local_critical
    figure = Figure(figsize=(9.5, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    colours = sns.color_palette("viridis", len(shares))
    for colour, (step, row) in zip(colours, shares.iterrows(), strict=True):
        left.plot(row.index, row, "o-", color=colour, label=f"step {step}")
    left.axhline(1 / OVERHEAD, color="0.35", linestyle=":")
    batch_axis(left, [int(size) for size in shares.columns], study.frame.examples)
    left.set_ylabel("fall of the loss, of the most")
    left.set_ylim(bottom=0)
    left.legend(frameon=False, fontsize=9, loc="lower center")
    middle = table["critical"]
    low, high = (table[f"critical_{end}"].fillna(middle) for end in ("low", "high"))
    tried = shares.columns
    errors = [middle - low.clip(lower=tried.min()), high.clip(upper=tried.max()) - middle]
    right.errorbar(table["step"], middle, np.maximum(errors, 0), fmt="o-", color="0.25", capsize=3)
    above = table[table["is_largest"]]
    right.plot(above["step"], above["critical"], "^", color="0.25", markersize=10)
    counts_axis(right, table["step"], "step at which they left")
    plain_log(right, lambda size: size_label(int(size), study.frame.examples), base=2)
    right.set_ylabel("local critical batch size")
    return figure


def caption(study: Study) -> str:
    """What is branched, and the exponent."""
    growth, table = study.local_critical_growth, study.local_critical
    trend = (
        "Too few moments for an exponent."
        if np.isnan(growth.value)
        else f"It goes as step^{growth.value:.2f} ({numbers.interval(growth.low, growth.high)}, "
        f"{growth.n} seeds)."
    )
    above = " A triangle is the largest batch tried." if table["is_largest"].any() else ""
    return (
        "Branches leave the smallest batch size's training on its way to the target and see the "
        "same examples at larger batch sizes, each at the best of three rates. Left: how far the "
        "training loss falls by them; right: the largest batch that loses no more than "
        f"{1 - 1 / OVERHEAD:.0%} of that. {trend}{above}"
    )


ILLUSTRATION = Illustration(
    "local_critical",
    "Does the critical batch size grow along the training?",
    "local_critical",
    draw,
    caption,
    has_data=lambda study: len(study.local_critical) > 0,
)
