"""The page and its Markdown twin."""

import base64

from jinja2 import Environment, PackageLoader, StrictUndefined

from pipeline.reporting import text
from pipeline.reporting.content import Content
from pipeline.reporting.drawing import Images
from pipeline.reporting.provenance import Provenance


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


def html(content: Content, images: Images, made: Provenance) -> str:
    """One self-contained file: the SVG images are embedded."""
    sources = {
        name: f"data:image/svg+xml;base64,{base64.b64encode(kinds['svg']).decode()}"
        for name, kinds in images.items()
    }
    shown = {"content": content, "sources": sources, "made": made}
    template = environment(html=True).get_template("report.html.j2")
    return template.render(**shown, number=text.number, interval=text.interval)


def markdown(content: Content, made: Provenance) -> str:
    """The same story for a code host: figures by their relative path."""
    template = environment(html=False).get_template("report.md.j2")
    return template.render(content=content, made=made)
