"""Figures as bytes, the same every time; spread over the cores."""

import io
from collections.abc import Mapping, Sequence
from functools import partial

from matplotlib.figure import Figure

from pipeline.analysis.study import Study
from pipeline.reporting.figures.illustration import Illustration
from pipeline.workspace.processes import OnDone, available_cores, in_processes

KINDS = ("svg", "png")
METADATA = {"svg": {"Date": None, "Creator": None}, "png": {"Software": None}}

Images = Mapping[str, Mapping[str, bytes]]
"""By name and kind."""


def drawn(figure: Figure) -> dict[str, bytes]:
    """The figure as SVG and PNG; laid out once."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    return {kind: saved(figure, kind) for kind in KINDS}


def saved(figure: Figure, kind: str) -> bytes:
    """The figure's bytes of one kind."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind, metadata=METADATA[kind], dpi=150)
    return buffer.getvalue()


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
