"""Three parts, and what may lie in which."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from makers.sources import EMBEDDED, data_of
from pipeline.data import splits
from pipeline.data.examples import Examples, Source
from pipeline.data.preparation import limited, prepare, read
from pipeline.errors import InputError
from pipeline.params.data import Split


class TestSplits:
    @pytest.mark.parametrize("name", EMBEDDED)
    def test_parts_are_disjoint_and_complete(self, name: str) -> None:
        source = read(data_of(name))
        parts = splits.drawn(Split(), source.examples.y, source.classes, 0)
        assert sorted(np.concatenate(list(parts.values()))) == list(range(len(source.examples)))

    def test_classes_keep_their_shares(self) -> None:
        parts = prepare(data_of("wine"), 0).parts.values()
        shares = [np.bincount(part.y) / len(part) for part in parts]
        assert np.ptp(shares, axis=0).max() < 0.03

    def test_the_seed_alone_decides(self) -> None:
        first, again, other = (
            prepare(data_of("wine"), seed).parts["train"].x for seed in (0, 0, 1)
        )
        assert np.array_equal(first, again)
        assert not np.array_equal(first, other)

    def test_a_limit_draws_examples_by_the_seed(self) -> None:
        first, again, other = (
            prepare(data_of("diabetes", limit=100), seed).parts["train"].x for seed in (0, 0, 1)
        )
        assert len(first) == 60
        assert np.array_equal(first, again)
        assert not np.array_equal(first, other)
        rows = splits.sampled(100, read(data_of("diabetes")).examples.y, (), 0)
        assert len(rows) == 100
        assert (np.diff(rows) > 0).all()

    @given(st.integers(20, 200), st.integers(0, 5))
    def test_any_limit_keeps_the_shares_of_classes(self, limit: int, seed: int) -> None:
        labels = np.repeat(np.arange(3), (59, 71, 48))
        rows = splits.sampled(limit, labels, ("x", "y", "z"), seed)
        assert len(rows) == min(limit, 178)
        wanted = np.bincount(labels) * len(rows) / 178
        assert np.abs(np.bincount(labels[rows]) - wanted).max() <= 2

    def test_a_test_set_of_its_own_needs_no_three_rows_of_a_class(self) -> None:
        y = np.arange(1000) % 10
        examples, test = Examples(np.zeros((1000, 2)), y), Examples(np.zeros((100, 2)), y[:100])
        source = Source(examples, ("a", "b"), tuple("0123456789"), test)
        made = limited(source, 100, 0)
        assert made.test is not None
        assert (len(made.examples), len(made.test)) == (100, 10)

    @pytest.mark.parametrize("limit", [178, 1000])
    def test_a_limit_above_all_changes_nothing(self, limit: int) -> None:
        whole, limited = (prepare(data_of("wine", limit=most), 0) for most in (None, limit))
        assert np.array_equal(whole.parts["train"].x, limited.parts["train"].x)
        assert limited.notes == ()

    def test_a_limit_on_validation_draws_by_the_seed_and_leaves_the_other_parts(self) -> None:
        whole, limited, again, other = (
            prepare(data_of("digits", val_limit=most), seed)
            for most, seed in ((None, 0), (100, 0), (100, 0), (100, 1))
        )
        for name in ("train", "test"):
            assert np.array_equal(whole.parts[name].x, limited.parts[name].x)
        val = limited.parts["val"]
        assert np.array_equal(val.x, again.parts["val"].x)
        assert not np.array_equal(val.x, other.parts["val"].x)
        assert {row.tobytes() for row in val.x} < {row.tobytes() for row in whole.parts["val"].x}
        assert np.abs(np.bincount(val.y) - 10).max() <= 1
        assert limited.notes == ("100 of 360 validation examples were drawn: data.val_limit",)

    def test_a_limit_that_leaves_too_few_of_a_class_is_refused(self) -> None:
        with pytest.raises(
            InputError, match=r"data\.limit: 8 leaves 2 rows of class 'class_2', and"
        ):
            prepare(data_of("wine", limit=8), 0)
        with pytest.raises(InputError, match=r"data\.limit: 2 leaves 2 rows, and three parts"):
            prepare(data_of("diabetes", limit=2), 0)

    def test_a_class_with_one_row_is_refused(self) -> None:
        with pytest.raises(InputError, match=r"class 'y' has 1 of 9 rows"):
            splits.drawn(Split(), np.array([0] * 8 + [1]), ("x", "y"), 0)

    @given(st.lists(st.integers(0, 9), min_size=30, max_size=60), st.integers(0, 5))
    def test_groups_stay_whole(self, groups: list[int], seed: int) -> None:
        if len(set(groups)) < 5:
            return
        own = np.array(groups)
        parts = splits.by_group(Split(), own, seed)
        assert sorted(np.concatenate(list(parts.values()))) == list(range(len(own)))
        found = [set(own[rows]) for rows in parts.values()]
        assert sum(len(names) for names in found) == len(set(groups))

    @given(st.lists(st.integers(0, 99), min_size=5, max_size=60))
    def test_the_latest_rows_are_the_test_part(self, times: list[int]) -> None:
        own = np.array(times)
        parts = splits.by_time(Split(), own)
        assert own[parts["train"]].max() <= own[parts["val"]].min()
        assert own[parts["val"]].max() <= own[parts["test"]].min()

    def test_too_few_groups_are_refused(self) -> None:
        with pytest.raises(InputError, match=r"data\.split\.by"):
            splits.by_group(Split(), np.zeros(9), 0)
