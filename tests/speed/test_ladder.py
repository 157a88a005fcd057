"""Which batch sizes are timed, and the largest that fits."""

from hypothesis import given
from hypothesis import strategies as st

from pipeline.speed import ladder


class TestLadder:
    def test_it_holds_sizes_of_every_kind(self) -> None:
        sizes = ladder.dense(1, 1077)
        assert {8, 64, 1024, 96, 160, 640, 24, 72, 23, 89} <= set(sizes)
        assert sizes == sorted(set(sizes))
        assert sizes[-1] <= 1077

    @given(smallest=st.integers(1, 4), largest=st.integers(4, 5000))
    def test_it_stays_within_the_data(self, smallest: int, largest: int) -> None:
        sizes = ladder.dense(smallest, largest)
        assert all(smallest <= size <= largest for size in sizes)

    def test_it_ends_at_slow_steps(self) -> None:
        assert ladder.up_to_slow([1, 2, 4, 8], lambda size: size > 3) == [1, 2]


class TestCapacity:
    @given(room=st.integers(1, 3000), data=st.integers(1, 3000))
    def test_the_largest_that_fits_is_found(self, room: int, data: int) -> None:
        found = ladder.largest_that_fits(lambda b: b <= room, 1, data, lambda _: False)
        assert found == ladder.Capacity(min(room, data), "data" if data <= room else "memory")

    def test_few_trials_are_made(self) -> None:
        tried: list[int] = []

        def fits(size: int) -> bool:
            tried.append(size)
            return size <= 700

        ladder.largest_that_fits(fits, 1, 60000, lambda _: False)
        assert len(tried) <= 21
        assert max(tried) == 1024

    def test_nothing_fits(self) -> None:
        found = ladder.largest_that_fits(lambda _: False, 1, 100, lambda _: False)
        assert found == ladder.Capacity(0, "memory")

    def test_slow_steps_end_the_search(self) -> None:
        found = ladder.largest_that_fits(lambda _: True, 1, 100, lambda b: b >= 8)
        assert found == ladder.Capacity(8, "time")
