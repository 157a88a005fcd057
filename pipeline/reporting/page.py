"""The page and its Markdown twin."""

import base64
import io
from collections.abc import Mapping

from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.figure import Figure

from pipeline.reporting import text
from pipeline.reporting.content import Content
from pipeline.reporting.provenance import Provenance

METADATA = {"svg": {"Date": None, "Creator": None}, "png": {"Software": None}}


def environment(html: bool) -> Environment:
    """Templates beside this module; HTML is escaped, Markdown is not."""
    return Environment(
        loader=PackageLoader("pipeline.reporting", "."),
        autoescape=html,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def drawn(figure: Figure, kind: str) -> bytes:
    """The figure as SVG or PNG, the same bytes every time; laid out once."""
    if figure.get_layout_engine() is not None:
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind, metadata=METADATA[kind], dpi=150)
    return buffer.getvalue()


def html(content: Content, images: Mapping[str, bytes], made: Provenance) -> str:
    """One self-contained file: the SVG images are embedded."""
    sources = {
        name: f"data:image/svg+xml;base64,{base64.b64encode(image).decode()}"
        for name, image in images.items()
    }
    shown = {"content": content, "sources": sources, "made": made}
    template = environment(html=True).get_template("report.html.j2")
    return template.render(**shown, number=text.number, interval=text.interval)


def markdown(content: Content) -> str:
    """The same story for a code host: figures by their relative path."""
    return environment(html=False).get_template("report.md.j2").render(content=content)
