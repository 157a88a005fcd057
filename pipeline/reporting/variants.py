"""What the report says about variants beside each other."""

from dataclasses import dataclass

import pandas as pd

from pipeline.analysis import variants as analysis
from pipeline.reporting import figures_variants, text
from pipeline.reporting.axes import Frame
from pipeline.reporting.illustration import Illustration
from pipeline.reporting.measurements import Measurements


@dataclass(frozen=True)
class Variants:
    """The comparison of all pairs of variants, and its figure; empty for one variant."""

    illustrations: tuple[Illustration, ...]
    table: pd.DataFrame


def variants(
    rates: pd.DataFrame, found: Measurements, confirmed: pd.DataFrame, frame: Frame
) -> Variants:
    """Compare and draw, against the study's first variant."""
    if len(frame.variants) == 1:
        return Variants((), pd.DataFrame())
    table = analysis.compare(rates, found.selection, confirmed, found.final_scores)
    screened = analysis.screening(rates)
    shown = Illustration(
        "variants",
        "The variants beside each other",
        caption(table, frame),
        figures_variants.variants(table, screened, frame),
        "variants",
    )
    return Variants((shown,), table)


def caption(table: pd.DataFrame, frame: Frame) -> str:
    """Each variant's steps over the first one's."""
    first, *others = frame.variants
    said = []
    for name in others:
        ratio = analysis.overall(table, first, name, "steps_ratio")
        said.append(
            f"{name} {text.number(ratio.value)} ({text.interval(ratio.low, ratio.high)})"
            if ratio.n
            else f"{name} cannot be compared"
        )
    return (
        f"Against {first}, each variant at its own best rate, paired by seed. Steps to target over "
        f"those of {first}, over all batch sizes: {', '.join(said)}. Bars: 95 % intervals over "
        "seeds; below: the largest rate at which no seed diverges, and how many rates reach the "
        "target."
    )
