"""More devices, a prediction: seconds to target against their number."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.analysis.study import Study
from pipeline.reporting.figures.axes import (
    by_variant,
    counts_axis,
    half_width,
    plain_log,
    size_label,
    variant_legend,
)
from pipeline.reporting.figures.illustration import Illustration
from pipeline.reporting.words import numbers


def draw(study: Study) -> Figure:
    """What is predicted, and beside it the steps of processes that shared a batch, if there were
    any."""
    panels = 2 if len(study.shared_batches) else 1
    figure = Figure(figsize=(9.5 if panels == 2 else 7.5, 3.6), layout="constrained")
    axes = figure.subplots(1, panels, squeeze=False)[0]
    draw_predicted(axes[0], study)
    if panels == 2:
        draw_measured(axes[1], study)
    variant_legend(figure, study.frame)
    return figure


def draw_predicted(axis: Axes, study: Study) -> None:
    """Each number at its best batch size; the fastest variant's are named."""
    best, frame = study.best_by_devices, study.frame
    for style, _, rows in by_variant(best, frame):
        hollow = {**style, "linestyle": "--", "markerfacecolor": "white"}
        line = rows.sort_values("devices")
        axis.plot(line["devices"], line["seconds_to_target"], **hollow)
    fastest = best.loc[best.groupby("devices")["seconds_to_target"].idxmin()]
    for row in fastest.itertuples():
        axis.annotate(
            size_label(row.batch_size, frame.examples), (row.devices, row.seconds_to_target),
            xytext=(0, -14), textcoords="offset points", ha="center", fontsize=8, color="0.25",
        )  # fmt: skip
    counts_axis(axis, best["devices"], "devices")
    plain_log(axis, numbers.seconds)
    axis.margins(y=0.2)
    axis.set_ylabel("predicted time to target")


def draw_measured(axis: Axes, study: Study) -> None:
    """Steps of the most processes that were measured, and what was predicted of them, hollow."""
    shared, frame = study.shared_batches, study.frame
    most = shared[shared["devices"] == shared["devices"].max()]
    for style, _, rows in by_variant(most, frame):
        hollow = {**style, "linestyle": "--", "markerfacecolor": "white"}
        axis.plot(rows["batch_size"], rows["seconds_per_step"], **hollow)
        axis.plot(rows["batch_size"], rows["measured_seconds_per_step"], **style)
    plain_log(axis, numbers.seconds)
    half_width(axis, f"time per step of {shared['devices'].max()} processes", most, frame)


def caption(study: Study) -> str:
    """The first and the fastest number of devices, and the model behind it."""
    best, link = study.best_by_devices, study.params.data_parallel
    rows = best[best["variant"] == best["variant"].iloc[0]]
    alone, fastest = rows.iloc[0], rows.loc[rows["seconds_to_target"].idxmin()]
    gain = alone["seconds_to_target"] / fastest["seconds_to_target"]
    predicted = (
        "no number of devices is predicted to be faster than one"
        if fastest["devices"] == 1
        else f"{fastest['devices']} devices at batch size "
        f"{numbers.batch_size(fastest['batch_size'], study.frame.examples)} are predicted to be "
        f"{numbers.number(gain)} times as fast as one"
    )
    return (
        f"Not measured: {predicted}. Each point is the best batch size for so many devices, "
        "written below the fastest variant's. The model: the measured time of a step at the local "
        "batch size, plus a ring all-reduce of the gradients at "
        f"{numbers.number(link.bandwidth_gb_per_second)} GB/s and "
        f"{numbers.seconds(link.latency_seconds)} a message, nothing overlapping."
        f"{beside(study.shared_batches)}"
    )


def beside(shared: pd.DataFrame) -> str:
    """How far the prediction is from what processes took that shared a batch here."""
    if shared.empty:
        return ""
    most = shared[shared["devices"] == shared["devices"].max()]
    ends = {
        name: numbers.interval(most[name].min(), most[name].max())
        for name in ("predicted_over_measured", "with_link_over_measured")
    }
    return (
        f" Measured (filled) were {most['devices'].iloc[0]} processes of this machine at "
        f"{len(most)} batch sizes: the predicted step takes {ends['predicted_over_measured']} "
        "times what it took; with the all-reduce as it was measured, in the median "
        f"{numbers.seconds(most['measured_all_reduce_seconds'].median())} instead of "
        f"{numbers.seconds(most['all_reduce_seconds'].median())}, "
        f"{ends['with_link_over_measured']} times."
    )


ILLUSTRATION = Illustration(
    "data_parallel",
    "More devices: a prediction",
    "data_parallel",
    draw,
    caption,
    has_data=lambda study: len(study.best_by_devices) > 0,
)
