"""Figures as bytes, the same every time; spread over the cores."""

import io
from collections.abc import Mapping, Sequence
from functools import partial

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from pipeline.analysis.study import Study
from pipeline.executors.processes import OnDone, in_processes
from pipeline.host import available_cores
from pipeline.reporting.figures.illustration import Illustration

DPI = 150
METADATA = {"svg": {"Date": None, "Creator": None}, "png": {"Software": None}}

Images = Mapping[str, Mapping[str, bytes]]
"""By name and kind."""


def drawn(figure: Figure) -> dict[str, bytes]:
    """The figure as SVG and PNG; laid out once."""
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
        figure.set_layout_engine("none")
    svg, png = io.BytesIO(), io.BytesIO()
    FigureCanvasSVG(figure).print_svg(svg, metadata=METADATA["svg"])
    figure.dpi = DPI
    FigureCanvasAgg(figure).print_png(png, metadata=METADATA["png"])
    return {"svg": svg.getvalue(), "png": png.getvalue()}


def all_drawn(study: Study, illustrations: Sequence[Illustration]) -> Images:
    """Every figure by its name; each core draws a share of them.

    Raises ProcessDiedError when a process is killed, and whatever a figure raised.
    """
    count = min(available_cores(), len(illustrations))
    shares = [partial(_draw, study, illustrations[place::count]) for place in range(count)]
    dealt = in_processes(shares, lambda _: None)
    return {name: images for share in dealt for name, images in share.items()}


def _draw(study: Study, illustrations: Sequence[Illustration], _: OnDone) -> Images:
    return {item.name: drawn(item.draw(study)) for item in illustrations}
