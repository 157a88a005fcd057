"""How long a cell trains, and when it is evaluated."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import InputError
from pipeline.params.schedule import Budget, Schedule
from pipeline.params.settings import Settings
from pipeline.training import budget
from pipeline.training.pack import Pack


class TestBudget:
    def test_an_epoch_is_whole_batches(self) -> None:
        assert budget.steps_per_epoch(1000, 10) == 100
        assert budget.steps_per_epoch(1009, 10) == 100

    def test_the_longer_of_epochs_and_steps(self) -> None:
        assert budget.total_steps(Budget(3, 50), 1000, 10) == 300
        assert budget.total_steps(Budget(3, 50), 1000, 1000) == 50

    @given(st.integers(1, 50), st.integers(2, 400), st.integers(2, 60), st.integers(1, 300))
    def test_evaluations_are_shared_between_batch_sizes(
        self, epochs: int, min_steps: int, evaluations: int, batch_size: int
    ) -> None:
        chosen = Budget(epochs, min_steps, evaluations)
        last, most = (budget.total_steps(chosen, 300, size) for size in (batch_size, 1))
        own = budget.evaluation_steps(chosen, last, epochs * (300 // batch_size))
        longest = budget.evaluation_steps(chosen, most, epochs * 300)
        assert own == sorted(set(own))
        assert own[0] == 1
        assert own[-1] == last
        ends = {last, epochs * (300 // batch_size)}
        assert set(own) - ends <= set(longest)

    @given(
        st.integers(1, 20),
        st.integers(1, 300),
        st.lists(st.floats(0.01, 0.99), min_size=1, max_size=4, unique=True).map(sorted),
        st.floats(0.1, 0.9),
    )
    def test_a_growing_batch_sees_the_same_examples_in_fewer_steps(
        self, epochs: int, batch_size: int, milestones: list[float], factor: float
    ) -> None:
        growing = Schedule("growth", 0, milestones, factor)
        constant = Pack(Settings(budget=Budget(epochs, 50)), batch_size, 300, ())
        grown = replace(constant, settings=replace(constant.settings, schedule=growing))
        expected = constant.steps * batch_size
        sizes = [phase.batch_size for phase in grown.phases]
        extra = sum(sizes)  # a phase takes at least one step
        assert abs(grown.examples_seen(grown.steps) - expected) <= extra
        assert grown.steps <= constant.steps + len(sizes)
        assert sizes == sorted(sizes)
        assert sizes[0] == batch_size
        assert grown.largest_batch_size <= 300

    def test_growth_on_paper(self) -> None:
        settings = Settings(budget=Budget(8, 50), schedule=Schedule("growth", 0, [0.5, 0.75], 0.5))
        pack = Pack(settings, 10, 100, ())
        found = [(own.steps, own.batch_size, own.first_epoch) for own in pack.phases]
        assert found == [(40, 10, 0), (10, 20, 4), (5, 40, 6)]
        assert pack.examples_seen(pack.steps) == 8 * 100
        assert pack.epochs_seen(45) == 5

    def test_a_batch_beyond_the_data_is_refused(self) -> None:
        assert budget.resolve("full", 300) == 300
        with pytest.raises(InputError, match=r"grid\.batch_size: 301 is beyond the 300"):
            budget.resolve(301, 300)
