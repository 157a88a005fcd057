"""The page and its Markdown twin."""

import base64
import re
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from pipeline.reporting.content import Content
from pipeline.reporting.figures.drawing import Images
from pipeline.reporting.page.provenance import Provenance
from pipeline.reporting.page.strip import strip
from pipeline.reporting.words import numbers


def with_code(words: str) -> Markup:
    """Escaped, with what stands between backticks as code."""
    return Markup(re.sub("`([^`]+)`", r"<code>\1</code>", str(escape(words))))


def stacked(cell: str) -> Markup:
    """Escaped, with an interval below its value."""
    below = r'<br><span class="interval">\1</span>'
    return Markup(re.sub(r" \((.* to .*|no interval)\)$", below, str(escape(cell))))


def environment(html: bool) -> Environment:
    """Templates beside this module; HTML is escaped, Markdown is not."""
    made = Environment(
        loader=PackageLoader("pipeline.reporting.page", "."),
        autoescape=html,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters |= {"with_code": with_code, "stacked": stacked}
    return made


def html(content: Content, images: Images, made: Provenance) -> str:
    """One self-contained file: the SVG images are embedded."""
    sources = {
        name: f"data:image/svg+xml;base64,{base64.b64encode(kinds['svg']).decode()}"
        for name, kinds in images.items()
    }
    shown = shared(content, made) | {"sources": sources}
    template = environment(html=True).get_template("report.html.j2")
    return template.render(**shown, number=numbers.number, interval=numbers.interval, strip=strip)


def shared(content: Content, made: Provenance) -> dict[str, Any]:
    """What both templates are given."""
    return {"content": content, "made": made, "facts": {**content.facts, **made.facts}}


def markdown(content: Content, made: Provenance) -> str:
    """The same story for a code host: figures by their relative path."""
    template = environment(html=False).get_template("report.md.j2")
    return template.render(**shared(content, made))
