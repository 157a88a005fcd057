"""Numbers as a person reads them: digits, units, batch sizes, prices."""

from collections.abc import Callable

import pandas as pd

from pipeline.analysis.frame import Frame
from pipeline.selection.statistics import Estimate

UNKNOWN = "–"


def number(value: float) -> str:
    """Three significant digits with thousands separators, whole numbers without a fraction; a dash
    for NaN."""
    if pd.isna(value):
        return UNKNOWN
    rounded = float(f"{value:.3g}")
    if abs(rounded) >= 1000:
        return f"{rounded:,.0f}"
    return f"{value:.0f}" if value == rounded == round(value) else f"{value:#.3g}".rstrip(".")


def tick(value: float) -> str:
    """A number on an axis, without trailing zeros."""
    return number(value) if abs(value) >= 1000 else f"{value:.3g}"


def rate(value: float) -> str:
    """A learning rate as it stands in the grid."""
    return UNKNOWN if pd.isna(value) else f"{value:.4g}"


def seconds(value: float) -> str:
    """A duration with its unit."""
    if pd.isna(value):
        return UNKNOWN
    rounded = float(f"{value:.3g}")
    for limit, factor, unit in ((1e-3, 1e6, "µs"), (1.0, 1e3, "ms"), (120.0, 1.0, "s")):
        if rounded < limit:
            return f"{number(value * factor)} {unit}"
    return f"{number(value / 60)} min"


def energy(joules: float) -> str:
    """An amount of energy with its unit."""
    for limit, factor, unit in ((1000.0, 1.0, "J"), (3.6e6, 1e-3, "kJ")):
        if joules < limit:
            return f"{number(joules * factor)} {unit}"
    return UNKNOWN if pd.isna(joules) else f"{number(joules / 3.6e6)} kWh"


def size(value: float) -> str:
    """Bytes with a binary unit."""
    if pd.isna(value):
        return UNKNOWN
    for unit in ("B", "KiB", "MiB"):
        if float(f"{value:.3g}") < 1000:
            return f"{number(value)} {unit}"
        value /= 1024
    return f"{number(value)} GiB"


def interval(low: float, high: float, show: Callable[[float], str] = number) -> str:
    """Both bounds, or what is missing."""
    return "no interval" if pd.isna(low) else f"{show(low)} to {show(high)}"


def exponent(estimate: Estimate) -> str:
    """An exponent with its interval."""
    return f"{estimate.value:.2f} ({interval(estimate.low, estimate.high)})"


def batch_size(value: float, examples: int) -> str:
    """A batch size; the whole training part by its name."""
    return f"{int(value)} (full)" if value == examples else f"{int(value)}"


def in_parts(micro_batches: float) -> str:
    """How a batch beyond the memory is taken; nothing for one taken whole."""
    return f" in {micro_batches:.0f} micro-batches" if micro_batches > 1 else ""


def times(ratio: Estimate) -> str:
    """A ratio with its interval where it has one."""
    if pd.isna(ratio.value):
        return UNKNOWN
    within = f" ({ratio.low:.2f} to {ratio.high:.2f})" if ratio.low < ratio.high else ""
    return f"{ratio.value:.2f}×{within}"


def more(times: float) -> str:
    """What so many times as much is more: a share up to twice, beyond that the factor."""
    return f"{100 * (times - 1):.0f} % more" if times < 2 else f"{number(times)} times as much"


def price(row: pd.Series, best: pd.Series) -> str:
    """What choosing a row costs, as the end of a sentence."""
    if row["batch_size"] == best["batch_size"]:
        return ", as recommended"
    if pd.isna(row["seconds_to_target"]):
        return ", which misses the target"
    some = (
        f", but only {row['reached']:.0f} of {row['seeds']:.0f} seeds reach it"
        if row["reached"] < row["seeds"]
        else ""
    )
    return f", {row['seconds_to_target'] / best['seconds_to_target']:.2f} times as long{some}"


def place(row: pd.Series, frame: Frame) -> str:
    """A row's batch size, and its variant where there are several."""
    variant = f" ({row['variant']})" if frame.has_variants else ""
    return batch_size(row["batch_size"], frame.examples) + variant


def setting(row: pd.Series, frame: Frame) -> str:
    """A batch size and its learning rate."""
    return f"batch size {place(row, frame)} with rate {rate(row['lr'])}"


def variant_of(row: pd.Series) -> str:
    """A row's variant where it is not the baseline."""
    return of_variant(row["variant"])


def of_variant(name: str) -> str:
    """The variant where it is not the baseline."""
    return "" if name == "baseline" else f" ({name})"
