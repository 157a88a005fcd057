"""The rate along the budget."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pipeline.params.schedule import Schedule
from pipeline.training.learning_rate import rate_factor, squared_factors


class TestSchedule:
    @given(
        st.integers(1, 200),
        st.integers(0, 50),
        st.sampled_from(["constant", "cosine", "linear", "wsd", "step"]),
    )
    def test_factors_stay_between_zero_and_one(self, steps: int, warmup: int, name: str) -> None:
        schedule = Schedule(name, warmup, [0.5], 0.1)
        factors = [rate_factor(schedule, step, steps) for step in range(1, steps + 1)]
        assert all(0 <= factor <= 1 for factor in factors)
        rising = factors[:warmup]
        assert rising == sorted(rising)
        assert factors[warmup:] == sorted(factors[warmup:], reverse=True)

    def test_cosine_is_torchs(self) -> None:
        ours = [rate_factor(Schedule("cosine"), step, 10) for step in range(1, 11)]
        parameter = torch.nn.Parameter(torch.zeros(1))
        optimizer = torch.optim.SGD([parameter], lr=1.0)
        scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 10)
        theirs = []
        for _ in range(10):
            theirs.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            scheduler.step()
        assert ours == pytest.approx(theirs)

    def test_warm_up_and_milestones_on_paper(self) -> None:
        schedule = Schedule("step", 2, [0.5, 0.75], 0.1)
        factors = [rate_factor(schedule, step, 8) for step in range(1, 9)]
        assert factors == pytest.approx([0.5, 1, 1, 1, 0.1, 0.1, 0.01, 0.01])

    @pytest.mark.parametrize("steps", [7, 10, 300])
    def test_one_cycle_is_torchs(self, steps: int) -> None:
        ours = [rate_factor(Schedule("onecycle"), step, steps) for step in range(1, steps + 1)]
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
        scheduler = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, 1.0, total_steps=steps, cycle_momentum=False
        )
        theirs = []
        for step in range(steps):
            theirs.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            if step < steps - 1:
                scheduler.step()
        assert ours == pytest.approx(theirs)

    @given(st.integers(0, 50), st.integers(0, 20))
    def test_squares_add_up(self, steps: int, warmup: int) -> None:
        schedule = Schedule("constant", warmup)
        factors = [rate_factor(schedule, step, steps) for step in range(1, steps + 1)]
        total = sum(factor**2 for factor in factors)
        assert squared_factors(schedule, steps) == pytest.approx(total)

    def test_straight_lines_on_paper(self) -> None:
        linear = [rate_factor(Schedule("linear", 2), step, 6) for step in range(1, 7)]
        assert linear == pytest.approx([0.5, 1, 1, 0.75, 0.5, 0.25])
        stays = [rate_factor(Schedule("wsd", 1, decay=0.5), step, 8) for step in range(1, 9)]
        assert stays == pytest.approx([1, 1, 1, 1, 1, 0.75, 0.5, 0.25])
