"""Does a larger batch generalise worse? Test scores against the smallest batch size's."""

import pandas as pd
from matplotlib.figure import Figure

from pipeline.analysis.study import Study
from pipeline.reporting.figures.axes import (
    beside,
    by_variant,
    half_width,
    signed_log,
    variant_legend,
    with_band,
)
from pipeline.reporting.figures.illustration import Illustration

ONE_RATE = (
    " One rate: the smallest batch size's best under equal epochs, with which a larger batch may "
    "end untrained."
)


def draw(study: Study) -> Figure:
    """Paired differences in test score, a panel for each comparison."""
    table, frame, margin = study.generalisation, study.frame, study.params.limits.score_margin
    names = list(dict.fromkeys(table["comparison"]))
    columns = min(2, len(names))
    rows_of_panels = -(-len(names) // columns)
    figure = Figure(figsize=(9.5, 2.9 * rows_of_panels), layout="constrained")
    panels = figure.subplots(rows_of_panels, columns, squeeze=False, sharey=True).ravel()
    for name, axis in zip(names, panels, strict=False):
        axis.axhspan(-margin, margin, color="0.93", zorder=0, linewidth=0)
        axis.axhline(0, color="0.4", linewidth=1)
        part = table[table["comparison"] == name]
        for style, variant, rows in by_variant(part, frame):
            apart = rows.assign(batch_size=beside(rows["batch_size"], variant, frame, 0.08))
            with_band(axis, apart, "difference", **{**style, "linestyle": "none"})
        half_width(axis, "", part, frame)
        signed_log(axis.yaxis, margin)
        axis.set_title(name, loc="left", fontsize=11)
    for axis in panels[len(names) :]:
        axis.set_visible(False)
    for axis in panels[::columns]:
        axis.set_ylabel(f"test {frame.score_name}, difference")
    variant_legend(figure, frame)
    return figure


def caption(study: Study) -> str:
    """How many batch sizes are worse, and how many are shown to be equivalent."""
    compared = study.of_first(study.generalisation)
    compared = compared[compared["verdict"] != ""]
    by_comparison = [
        f"{name}: {counted(rows['verdict'])}"
        for name, rows in compared.groupby("comparison", sort=False)
    ]
    if not by_comparison:
        return "Fewer than two batch sizes have solutions to compare."
    return (
        f"Test {study.frame.score_name} less that of the smallest batch size at the same seed, "
        f"mean and 95 % interval over {compared['seeds'].max()} seeds. Of "
        f"{compared['batch_size'].nunique()} larger batch sizes, {'; '.join(by_comparison)} "
        f"(within ±{study.params.limits.score_margin:g}, the grey band; Holm-adjusted)."
        + (ONE_RATE if compared["comparison"].str.contains("one rate").any() else "")
    )


def counted(verdicts: pd.Series) -> str:
    """How often each verdict stands there, in a fixed order."""
    return ", ".join(
        f"{(verdicts == verdict).sum()} {verdict}"
        for verdict in ("worse", "better", "equivalent", "unclear")
        if (verdicts == verdict).any()
    )


ILLUSTRATION = Illustration(
    "generalisation",
    "Does a larger batch generalise worse?",
    "generalisation",
    draw,
    caption,
    lambda study: not study.generalisation.empty,
)
