"""Scalers against scikit-learn, and on any table."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from makers.sources import EMBEDDED, data_of
from pipeline.data import scaling
from pipeline.data.examples import Examples
from pipeline.data.preparation import prepare
from pipeline.data.scaling import by_feature
from pipeline.errors import InputError
from pipeline.training import dataset


class TestScaling:
    @pytest.mark.parametrize("name", EMBEDDED)
    @pytest.mark.parametrize(
        ("scaler", "reference"), [("minmax", MinMaxScaler), ("standard", StandardScaler)]
    )
    def test_equals_scikit_learn(self, name: str, scaler: str, reference: type) -> None:
        parts = prepare(data_of(name), 0).parts
        numbers = scaling.fit(parts["train"].x)[scaler]
        ours = dataset.scaled(
            torch.from_numpy(parts["test"].x), list(numbers.offset), list(numbers.scale)
        )
        fitted = reference().fit(by_feature(parts["train"].x).astype(float))
        theirs = fitted.transform(by_feature(parts["test"].x).astype(float))
        assert np.abs(by_feature(ours.numpy()) - theirs).max() < 1e-6

    def test_none_changes_nothing(self) -> None:
        x = torch.arange(12, dtype=torch.uint8).view(3, 1, 2, 2)
        numbers = scaling.fit(x.numpy())["none"]
        assert torch.equal(dataset.scaled(x, list(numbers.offset), list(numbers.scale)), x.float())

    @given(
        arrays(np.float64, (20, 3), elements=st.floats(-1e6, 1e6)),
        st.sampled_from(["minmax", "standard"]),
    )
    def test_any_table_gets_finite_numbers(self, x: np.ndarray, scaler: str) -> None:
        numbers = scaling.fit(x)[scaler]
        assert np.isfinite(numbers.offset).all()
        assert np.isfinite(numbers.scale).all()

    def test_a_constant_feature_stays_finite(self) -> None:
        numbers = scaling.fit(np.full((5, 1), 7.0))
        assert numbers["standard"].scale == numbers["minmax"].scale == (1.0,)


def test_an_input_that_is_not_finite_is_refused() -> None:
    with pytest.raises(InputError, match="not finite"):
        Examples(np.array([[np.nan]]), np.array([0]))


def test_what_nothing_changes_is_not_copied() -> None:
    x = torch.randn(5, 3)
    assert dataset.scaled(x, [0.0] * 3, [1.0] * 3) is x
    assert dataset.scaled(x, [0.0] * 3, [1.0, 2.0, 1.0]) is not x


def test_what_does_not_fit_says_so_before_it_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset, "free_bytes", lambda _: 100)
    with pytest.raises(InputError, match=r"scaled inputs take .* GiB of memory"):
        dataset.scaled(torch.zeros(9, 3, dtype=torch.float64), [0.0] * 3, [1.0] * 3)
