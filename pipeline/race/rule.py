"""Which rates begin a race, and when it is over."""

from bisect import bisect_left
from collections.abc import Sequence

import numpy as np

from pipeline.race.bar import Bar
from pipeline.selection.targets import WINDOW

MARGIN = np.sqrt(10)
"""How far beyond the pilot's rate, and below what the square-root rule makes of it, rates are
tried."""
FEWEST_RATES = 3


def end(horizon: float, evaluations: Sequence[int]) -> int | None:
    """The first of the ascending evaluations beyond the windows of all that say who reached a bar
    within the horizon, an infinite one where no rate leads yet; None where none lies so far."""
    looked_at = bisect_left(evaluations, horizon)
    if looked_at == len(evaluations):
        return None
    beyond = bisect_left(evaluations, evaluations[looked_at] * WINDOW * (1 + 1e-6))
    return evaluations[beyond] if beyond < len(evaluations) else None


def bracket(rates: Sequence[float], pilot: Bar, batch_size: int) -> list[float]:
    """The rates to begin with: from what the square-root rule makes of the pilot's fastest rate to
    that rate itself, and a factor MARGIN to either side; at least FEWEST_RATES, the nearest. All
    where the pilot has no fastest rate.

    A wrong guess costs time alone: rates are added while the best lies at an end.
    """
    if pilot.lr is None:
        return sorted(rates)
    scaled = pilot.lr * float(np.sqrt(batch_size / pilot.batch_size))
    low, high = min(scaled, pilot.lr) / MARGIN, max(scaled, pilot.lr) * MARGIN
    inside = [rate for rate in rates if low * (1 - 1e-3) <= rate <= high * (1 + 1e-3)]
    if len(inside) < FEWEST_RATES:
        middle = np.sqrt(low * high)
        inside = sorted(rates, key=lambda rate: abs(np.log(rate / middle)))[:FEWEST_RATES]
    return sorted(inside)
