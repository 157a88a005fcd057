"""The rules that several sections share."""

import math
from typing import Any

from pipeline.errors import require


def one_of(key: str, value: object, allowed: tuple[str, ...]) -> None:
    """Refuse a value outside a closed list."""
    require(value in allowed, key, value, f"is not one of {', '.join(allowed)}")


def is_number(value: object) -> bool:
    """A finite int or float, and no bool."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def check_list(key: str, values: list[Any]) -> None:
    """Refuse an empty list and duplicates."""
    require(len(values) > 0, key, list(values), "is empty; it needs at least one value")
    require(len(set(values)) == len(values), key, list(values), "has duplicates")
