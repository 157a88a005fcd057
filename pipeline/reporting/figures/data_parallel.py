"""More devices, a prediction: seconds to target against their number."""

from matplotlib.figure import Figure

from pipeline.analysis.study import Study
from pipeline.reporting.figures.axes import (
    by_variant,
    counts_axis,
    plain_log,
    size_label,
    variant_legend,
)
from pipeline.reporting.figures.illustration import Illustration
from pipeline.reporting.words import numbers


def draw(study: Study) -> Figure:
    """Each number at its best batch size; the fastest variant's are named."""
    best, frame = study.best_by_devices, study.frame
    figure = Figure(figsize=(7.5, 3.6), layout="constrained")
    axis = figure.subplots()
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
    variant_legend(figure, frame)
    return figure


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
    )


ILLUSTRATION = Illustration(
    "data_parallel",
    "More devices: a prediction",
    "data_parallel",
    draw,
    caption,
    has_data=lambda study: len(study.best_by_devices) > 0,
)
