"""Progress of long work: a bar on a terminal, a few lines elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm

LINES = 4


@contextmanager
def progress(label: str, total: int, unit: str = "step") -> Iterator[Callable[[int], None]]:
    """Yield a function that hears how many units were just done."""
    if sys.stderr.isatty():
        with tqdm(total=total, desc=label, unit=unit, unit_scale=True, leave=False) as bar:

            def on_done(count: int) -> None:
                bar.update(count)

            yield on_done
    else:
        yield _lines(label, total, unit)


def pace(done: int, seconds: float, unit: str) -> str:
    """How fast the work goes: units in a second, or seconds for a unit, whichever is above 1."""
    if done >= seconds:
        return f"{done / max(seconds, 1e-9):,.0f} {unit}s/s"
    return f"{seconds / done:,.1f} s/{unit}"


def _lines(label: str, total: int, unit: str) -> Callable[[int], None]:
    done, shown, start = 0, 0, time.perf_counter()

    def on_done(count: int) -> None:
        nonlocal done, shown
        done += count
        share = done * LINES // max(total, 1)
        if share > shown:
            shown = share
            seconds = time.perf_counter() - start
            rate = pace(done, seconds, unit)
            print(f"{label}: {done:,} of {total:,} {unit}s, {rate}", file=sys.stderr)

    return on_done
