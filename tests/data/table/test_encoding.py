"""How columns become features."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.data.table import encoding
from pipeline.data.table.columns import Column, Loaded
from pipeline.params.data import Table


class TestEncoding:
    def load(self, values: list[float], kind: str = "number") -> Loaded:
        return Loaded(Column("a", kind), np.array(values))

    def test_only_the_training_rows_are_fitted(self) -> None:
        values = [1.0, 2.0, 9.0, np.nan, 1000.0]
        found = encoding.encode(self.load(values), np.array([0, 1, 2]), Table())
        assert found.values[3, 0] == 2.0  # the median of 1, 2 and 9
        assert found.features == ("a",)

    def test_missing_training_values_get_an_indicator(self) -> None:
        found = encoding.encode(self.load([1.0, np.nan, 5.0, np.nan]), np.arange(3), Table())
        assert found.values.tolist() == [[1, 0], [3, 1], [5, 0], [3, 1]]

    def test_rare_and_unknown_levels_are_joined(self) -> None:
        places = [0.0] * 10 + [1.0] * 10 + [2.0, 3.0, -1.0]
        loaded = Loaded(Column("a", "category"), np.array(places), ("p", "q", "rare", "new"))
        found = encoding.encode(loaded, np.arange(21), Table(rare=0.1))
        assert found.features == ("a = p", "a = q", "a = (other)")
        assert found.values[-3:].tolist() == [[0, 0, 1]] * 3
        assert found.note == "1 rare level joined: rare"

    @given(st.integers(2, 6))
    def test_levels_are_capped(self, most: int) -> None:
        loaded = Loaded(Column("a", "category"), np.repeat(np.arange(9.0), 5), tuple("abcdefghi"))
        found = encoding.encode(loaded, np.arange(45), Table(levels=most, rare=0))
        assert found.values.shape == (45, most)
        assert (found.values.sum(1) == 1).all()
