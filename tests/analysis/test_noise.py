"""The noise of gradients and the oscillation of losses."""

import numpy as np
import pytest

from makers.outcomes import SEEDS, WATCHED, gradients, wandering
from pipeline.analysis import noise
from pipeline.selection.statistics import Estimate


class TestNoise:
    @pytest.mark.parametrize("exponent", [-0.5, -0.3])
    def test_a_known_exponent(self, exponent: float) -> None:
        assert noise.error_exponent(gradients(exponent), "v").value == pytest.approx(exponent)

    def test_the_examples_for_a_direction_follow_the_noise_scale(self) -> None:
        needed = noise.examples_needed(noise.scales(gradients(scale=100.0)), "v")
        assert set(needed) == {"early", "middle"}
        middle = needed["middle"]
        assert middle.value == pytest.approx(0.81 / 0.19 * 100 * 1.2**1.5)
        assert middle.low < middle.value < middle.high

    def test_where_noise_hides_the_gradient_more_than_all_are_needed(self) -> None:
        """The trap: what is not resolved is not little."""
        table = gradients(scale=100.0)
        hidden = table["batch_size"] > 16
        table.loc[hidden, "noise_scale"] = np.nan
        needed = noise.examples_needed(noise.scales(table), "v")["middle"]
        assert needed.n == 4
        assert (
            needed.value
            > noise.examples_needed(noise.scales(gradients(scale=100.0)), "v")["middle"].value
        )
        nothing = noise.scales(table.assign(noise_scale=np.nan))
        assert noise.examples_needed(nothing, "v") == {}


def exponent(table: "object", name: str = "validation") -> Estimate:
    return noise.oscillation_exponents(noise.oscillation(table), "v")[name]  # type: ignore[arg-type]


class TestOscillation:
    def test_a_known_exponent_is_found_at_like_rates(self) -> None:
        table = noise.oscillation(wandering(-0.4))
        assert len(table) == 2 * len(WATCHED) * len(SEEDS)
        found = exponent(wandering(-0.4))
        assert found.value == pytest.approx(-0.4, abs=0.05)
        assert found.high < 0
        assert exponent(wandering(-0.4), "minibatch").value == pytest.approx(-0.5)

    def test_it_scatters_as_much_as_it_was_made_to(self) -> None:
        table = noise.oscillation(wandering(0.0, rates=(0.25,)))
        assert table["validation"].mean() == pytest.approx(0.05, rel=0.1)

    def test_a_drift_is_no_oscillation(self) -> None:
        """The trap: a loss that falls, or rises by overfitting, moves without scattering."""
        for drift in (2.0, -2.0):
            found = exponent(wandering(0.0, drift=drift))
            assert found.value == pytest.approx(0.0, abs=0.05)

    def test_without_an_effect_it_is_seldom_found(self) -> None:
        found = [exponent(wandering(0.0, seed)) for seed in range(60)]
        assert np.mean([one.high < 0 for one in found]) <= 0.05
        assert np.mean([one.low <= 0 <= one.high for one in found]) >= 0.9

    def test_evaluations_far_apart_say_nothing(self) -> None:
        history = wandering(-0.4)
        assert noise.oscillation(history[history["step"].isin(history["step"].unique()[::4])]).empty

    def test_rates_that_follow_the_batch_size_cannot_be_told_apart(self) -> None:
        table = noise.oscillation(wandering(-0.4))
        assert np.isnan(
            noise.oscillation_exponents(table.assign(lr=table["batch_size"] / 100), "v")[
                "validation"
            ].value
        )
