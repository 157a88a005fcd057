"""Are powers of two faster? The speed of aligned batch sizes over that of their neighbours."""

import seaborn as sns
from matplotlib.figure import Figure

from pipeline.analysis.study import Study
from pipeline.analysis.timings import ALIGNED_MARGIN
from pipeline.reporting.figures.axes import MARKERS, batch_axis
from pipeline.reporting.figures.illustration import Illustration
from pipeline.reporting.words import numbers


def draw(study: Study) -> Figure:
    """A point for each aligned size; in the band the difference is none."""
    pairs = study.measured.alignment
    figure = Figure(figsize=(7.5, 3.4), layout="constrained")
    axis = figure.subplots()
    colours = sns.color_palette("colorblind", 2)
    axis.axhspan(1 - ALIGNED_MARGIN, 1 + ALIGNED_MARGIN, color="0.92", zorder=0)
    axis.axhline(1, color="0.5", linewidth=1)
    for index, kind in enumerate(("powers of two", "multiples of 32")):
        rows = pairs[pairs["kind"] == kind]
        away = [rows["speed_up"] - rows["speed_up_q25"], rows["speed_up_q75"] - rows["speed_up"]]
        axis.errorbar(
            rows["batch_size"], rows["speed_up"], away, fmt=MARKERS[index], color=colours[index],
            elinewidth=1, label=kind,
        )  # fmt: skip
    sizes = [size for size in sorted(pairs["batch_size"]) if size & (size - 1) == 0]
    batch_axis(axis, sizes, study.frame.examples)
    axis.set_ylabel("speed over neighbours' mean")
    figure.legend(loc="outside upper right", ncols=2, frameon=False)
    return figure


def caption(study: Study) -> str:
    """The mean speed-ups with their intervals."""
    by_kind = [
        f"{kind} run at {mean.value:.3f} times the speed of their neighbours "
        f"(95 % interval {numbers.interval(mean.low, mean.high)}, n = {mean.n})"
        for kind, mean in study.speed_ups.items()
    ]
    words = "; ".join(by_kind)
    return (
        f"{words[0].upper()}{words[1:]}. Each is timed back to back with "
        "B − 1 and B + 1, on one thread; bars span half of the rounds; in the band the "
        f"difference is below {ALIGNED_MARGIN:.0%}."
    )


ILLUSTRATION = Illustration(
    "power_of_two",
    "Are powers of two faster?",
    "power_of_two",
    draw,
    caption,
    has_data=lambda study: len(study.measured.alignment) > 0,
)
