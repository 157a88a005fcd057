"""The drawing of an effect beside where its claim would hold."""

import re
from types import SimpleNamespace

import numpy as np
import pytest

from pipeline.reporting.page.strip import WIDTH, strip

ROW = {"verdict": "supported", "step": 0.25, "holds_to": np.inf, "is_ratio": False}


def drawn(**columns: float) -> str:
    return strip(SimpleNamespace(**(ROW | {"holds_from": 0.0} | columns)))


def number(drawing: str, name: str) -> float:
    found = re.search(rf' {name}="([\d.]+)"', drawing)
    assert found
    return float(found[1])


def test_a_supported_effect_lies_in_the_shade() -> None:
    drawing = drawn(low=0.1, value=0.3, high=0.5)
    assert number(drawing, "x") == WIDTH / 2
    assert WIDTH / 2 < number(drawing, "x1") < number(drawing, "cx") < number(drawing, "x2")
    assert f'x="{WIDTH // 2}" y="0" width="{WIDTH // 2}"' in drawing
    assert "<path" not in drawing


def test_ratios_are_even_in_their_logarithms() -> None:
    drawing = drawn(low=0.5, value=1.0, high=2.0, holds_from=0.0, holds_to=1.0, is_ratio=True)
    left = number(drawing, "cx") - number(drawing, "x1")
    assert number(drawing, "cx") == WIDTH / 2
    assert number(drawing, "x2") - number(drawing, "cx") == pytest.approx(left, abs=0.11)
    assert number(drawing, "x") == 0


def test_what_lies_further_out_ends_in_an_arrow() -> None:
    drawing = drawn(low=0.1, value=50.0, high=90.0)
    assert drawing.count("<path") == 1
    assert "<circle" not in drawing


def test_without_an_interval_there_is_nothing_to_draw() -> None:
    assert drawn(low=np.nan, value=1.0, high=np.nan) == ""
    assert drawn(low=0.1, value=1.0, high=2.0, step=np.nan) == ""
