"""What all figures share: the looks of variants, axes, legends."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.axis import Axis, XAxis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import (
    FuncFormatter,
    LogLocator,
    MaxNLocator,
    NullLocator,
    SymmetricalLogLocator,
)

from pipeline.analysis.frame import Frame
from pipeline.reporting.words import numbers

STYLE = {
    **sns.axes_style("whitegrid"),
    **sns.plotting_context("notebook", font_scale=0.9),
    "svg.hashsalt": "batchwise",
    "svg.fonttype": "none",
    "font.sans-serif": ["DejaVu Sans"],
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e6e6e6",
    "figure.dpi": 150,  # of the PNGs: text laid out at another would be cut
}
MARKERS = "osD^vP*X"
COLOURS = 10
"""Of the palette; later variants have them again, dashed."""
LEGEND_COLUMNS = 4
ROW_INCHES = 0.26
"""The height of a row that is a line of text."""
MANY = 4
"""More variants than this are drawn smaller, and only the most wanted ones with their intervals."""
EDGE = 1.4
"""How far an empty log axis of counts reaches beyond its ends."""
REACH = 4
"""How far a log axis follows an interval beyond its points."""
SHORT_AXIS = 3e3
"""Up to this ratio of its ends a log axis has more than one label in a decade."""
NARROW_AXES = (1.05, 6)
"""Between these ratios its labels are evenly spaced, as on any other axis; three digits tell no
closer ones apart."""
FEW_LABELS = 5


def size_label(size: int, examples: int) -> str:
    """A batch size on an axis; the whole training part by its name."""
    return "full" if size == examples else str(size)


def counts_axis(axis: Axes, counts: Iterable[int], label: str, names: Sequence[str] = ()) -> None:
    """A log axis of whole numbers with a tick at each of ``counts``, by its name if it has one."""
    ticks = sorted(set(counts))
    axis.set_xscale("log", base=2)
    axis.xaxis.set_minor_locator(NullLocator())
    axis.set_xticks(ticks, list(names) or [str(count) for count in ticks])
    if ticks and not np.isfinite(axis.dataLim.intervalx).all():  # nothing drawn to take them from
        axis.set_xlim(ticks[0] / EDGE, ticks[-1] * EDGE)
    axis.set_xlabel(label)


def batch_axis(axis: Axes, sizes: list[int], examples: int) -> None:
    """A log axis whose ticks are the batch sizes measured."""
    counts_axis(axis, sizes, "batch size", [size_label(size, examples) for size in sizes])


def half_width(axis: Axes, label: str, table: pd.DataFrame, frame: Frame) -> None:
    """Labels of a panel that shares its row: small ticks, so that the batch sizes do not touch."""
    axis.set_ylabel(label)
    batch_axis(axis, sorted(set(table["batch_size"])), frame.examples)
    axis.tick_params(axis="x", labelsize=8)


class PlainLocator(LogLocator):
    """Ticks of a log axis, evenly spaced where it is narrow once everything is drawn."""

    def tick_values(self, vmin: float, vmax: float) -> Any:
        """Where they lie, between these limits."""
        narrowest, narrow = NARROW_AXES
        if narrowest < vmax / vmin < narrow:
            return MaxNLocator(FEW_LABELS, steps=[1, 2, 5, 10]).tick_values(vmin, vmax)
        return super().tick_values(vmin, vmax)


def plain_log(axis: Axes, show: Callable[[float], str] = numbers.tick, base: int = 10) -> None:
    """A log y axis labelled in plain numbers: at 1, 2 and 5, evenly where it is narrow, over many
    decades or to another base at the powers alone. Call it when everything is drawn."""
    axis.set_yscale("log", base=base)
    low, high = axis.get_ylim()
    is_short = base == 10 and high / low < SHORT_AXIS
    axis.yaxis.set_major_locator(
        PlainLocator(base, subs=(1, 2, 5)) if is_short else LogLocator(base)
    )
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: show(value)))
    axis.yaxis.set_minor_locator(NullLocator())


def signed_log(axis: Axis, linear: float) -> None:
    """An axis of differences: linear up to ``linear`` on both sides, and logarithmic beyond. Call
    it when everything is drawn."""
    set_scale = axis.axes.set_xscale if isinstance(axis, XAxis) else axis.axes.set_yscale
    set_scale("symlog", linthresh=linear, linscale=0.7)
    locator = SymmetricalLogLocator(base=10, linthresh=linear, subs=(1, 3))
    locator.set_params(numticks=9)
    is_linear = np.abs(axis.get_view_interval()).max() <= linear
    axis.set_major_locator(MaxNLocator(FEW_LABELS) if is_linear else locator)
    axis.set_major_formatter(lambda value, _: f"{value:+g}" if value else "0")


def look(variant: str, frame: Frame) -> dict[str, Any]:
    """Colour, marker and line of a variant, the same in every figure."""
    place = frame.variants.index(variant)
    return {
        "color": sns.color_palette("colorblind")[place % COLOURS],
        "marker": MARKERS[place % len(MARKERS)],
        "linestyle": "-" if place < COLOURS else "--",
    }


def by_variant(
    table: pd.DataFrame, frame: Frame
) -> Iterator[tuple[dict[str, Any], str, pd.DataFrame]]:
    """The look, the name and the rows of every variant, in the grid's order."""
    for name in frame.variants:
        rows = table[table["variant"] == name].sort_values("batch_size", kind="stable")
        yield look(name, frame), name, rows


def beside(sizes: pd.Series, variant: str, frame: Frame, width: float) -> pd.Series:
    """Batch sizes moved apart by variant on a log axis, ``width`` from one to the next."""
    place = frame.variants.index(variant)
    return sizes * (1 + width * (place - (len(frame.variants) - 1) / 2))


def size_colours(sizes: Sequence[int]) -> dict[int, Any]:
    """A colour for each batch size, dark for small ones; the lightest would not be seen."""
    shades = mpl.colormaps["viridis"](np.linspace(0, 0.86, len(sizes)))
    return dict(zip(sizes, shades, strict=True))


def variant_legend(figure: Figure, frame: Frame) -> None:
    """The variants' looks above all panels, where there are several."""
    if frame.has_variants:
        handles = [Line2D([], [], label=name, **look(name, frame)) for name in frame.variants]
        columns = min(len(handles), LEGEND_COLUMNS)
        figure.legend(
            handles=handles, loc="outside upper center", ncols=columns, frameon=False, fontsize=9
        )


def rows_height(inches: float, frame: Frame) -> float:
    """The height of a figure with a row for every variant; many are lower."""
    return len(frame.variants) * inches * (1 if len(frame.variants) <= MANY else 0.7)


def with_band(axis: Axes, table: pd.DataFrame, column: str, **style: Any) -> None:
    """Points joined by a line, with the interval as error bars; hollow where there is none."""
    values = table[column].to_numpy(dtype=float)
    low, high = (table[f"{column}_{end}"].to_numpy(dtype=float) for end in ("low", "high"))
    errors = np.nan_to_num(np.array([values - low, high - values]), nan=0.0)
    axis.errorbar(table["batch_size"], values, errors, capsize=3, **style)
    bare = table[np.isnan(low)]
    hollow = {**style, "linestyle": "none", "markerfacecolor": "white", "label": None, "zorder": 5}
    axis.plot(bare["batch_size"], bare[column], **hollow)


def to_the_points(axis: Axes, values: pd.Series) -> None:
    """Let a log axis end soon after its points: wide intervals would squeeze them."""
    if ends := reach(values):
        low, high = axis.get_ylim()
        axis.set_ylim(max(low, ends[0]), min(high, ends[1]))


def reach(values: pd.Series) -> tuple[float, float] | None:
    """Where a log axis of these points ends; None without any."""
    known = values.astype(float)[lambda value: np.isfinite(value) & (value > 0)]
    return (known.min() / REACH, known.max() * REACH) if len(known) else None
