"""Figures as bytes, the same every time; spread over the cores."""

import io
import multiprocessing
import os
import signal
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection

from matplotlib.figure import Figure

from pipeline.reporting.illustration import Illustration

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


def all_drawn(illustrations: Sequence[Illustration]) -> Images:
    """Every figure by its name; each core draws a share of them in a fork, for figures with
    formatters of their own cannot be sent to a new process."""
    count = min(len(os.sched_getaffinity(0)), len(illustrations))
    context = multiprocessing.get_context("fork")
    shares = [illustrations[place::count] for place in range(count)]
    pipes = [context.Pipe(duplex=False) for _ in shares]
    for share, (_, theirs) in zip(shares, pipes, strict=True):
        context.Process(target=_draw, args=(share, theirs), daemon=True).start()
        theirs.close()
    return {name: images for ours, _ in pipes for name, images in ours.recv().items()}


def _draw(share: Sequence[Illustration], connection: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears it and takes its children along
    connection.send({item.name: drawn(item.figure) for item in share})
