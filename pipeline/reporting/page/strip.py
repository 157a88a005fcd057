"""An effect with its interval as a small drawing, on one scale for all claims.

The shaded part is where the claim would hold. A claim's own step, what a reader would call
different, is one unit for all; what lies further out than REACH steps ends in an arrow.
"""

from typing import Any

import numpy as np
from markupsafe import Markup

WIDTH, HEIGHT = 132, 16
REACH = 4.0
"""Steps to either side of the limit of where the claim holds."""


def strip(row: Any) -> Markup:
    """The drawing for a line of the ledger; empty where no interval was judged. row: value, low,
    high, holds_from, holds_to, step and is_ratio."""
    if np.isnan(row.step) or np.isnan(row.low):
        return Markup("")
    with np.errstate(divide="ignore"):
        values = np.array([row.holds_from, row.holds_to, row.low, row.value, row.high], float)
        scaled = np.log(values) if row.is_ratio else values
    limits = scaled[:2][np.isfinite(scaled[:2])]
    steps = (scaled - limits.mean()) / row.step
    start, end, low, value, high = (
        (np.clip(steps, -REACH, REACH) / REACH + 1) * (WIDTH / 2 - 6) + 6
    ).round(1)
    start, end = (0 if steps[0] < -REACH else start), (WIDTH if steps[1] > REACH else end)
    middle = HEIGHT / 2
    parts = [
        f'<rect class="holds" x="{start:g}" y="0" width="{end - start:g}" height="{HEIGHT}"/>',
        f'<line x1="{low:g}" x2="{high:g}" y1="{middle:g}" y2="{middle:g}"/>',
        arrow(low, -1) if steps[2] < -REACH else "",
        arrow(high, 1) if steps[4] > REACH else "",
        f'<circle cx="{value:g}" cy="{middle:g}" r="3"/>' if abs(steps[3]) <= REACH else "",
    ]
    label = f"{row.verdict}: the interval of the effect beside where the claim holds (shaded)"
    return Markup(
        f'<svg class="strip" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        f'role="img" aria-label="{label}">{"".join(parts)}</svg>'
    )


def arrow(tip: float, direction: int) -> str:
    """The head of an interval that goes on."""
    back, middle = tip - 5 * direction, HEIGHT / 2
    return f'<path d="M{back:g} {middle - 4:g}L{tip:g} {middle:g}L{back:g} {middle + 4:g}"/>'
