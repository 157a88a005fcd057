"""Descents on two variables."""

import numpy as np
import pytest

from pipeline.analysis import descent


def test_the_textbooks_descent_ends_where_it_says() -> None:
    good, large, small, saddle = (example.path()[-1] for example in descent.EXAMPLES)
    assert good == pytest.approx([-6.11110793e-10, 8.14814391e-10], rel=1e-6)
    assert large == pytest.approx([-2.58983747e13, -1.29524862e12], rel=1e-6)
    assert small == pytest.approx([-3, 4], abs=1e-7)
    assert saddle == pytest.approx([0, 0], abs=1e-9)
    gradient = descent.numerical_gradient(descent.bowl, np.array([3.0, 4.0]))
    assert gradient == pytest.approx([6, 8], abs=1e-8)
