"""The noise of gradients and the oscillation of losses."""

import pytest

from makers.outcomes import SEEDS, SIZES, gradients, wandering
from pipeline.analysis import noise


class TestNoise:
    @pytest.mark.parametrize("exponent", [-0.5, -0.3])
    def test_a_known_exponent(self, exponent: float) -> None:
        assert noise.error_exponent(gradients(exponent), "v").value == pytest.approx(exponent)

    def test_few_are_at_most_half_and_at_most_a_thousand(self) -> None:
        assert set(noise.few(gradients(), "v")["examples"]) == {512}
        small = gradients().assign(population=300)
        assert set(noise.few(small, "v")["examples"]) == {128}

    def test_a_known_oscillation(self) -> None:
        table = noise.oscillation(wandering(-0.4))
        assert len(table) == len(SIZES) * len(SEEDS)
        for name, expected in (("validation", -0.4), ("minibatch", -0.5)):
            found = noise.oscillation_exponents(table, "v")[name]
            assert found.value == pytest.approx(expected)

    def test_two_late_evaluations_are_too_few(self) -> None:
        history = wandering(-0.4)
        assert noise.oscillation(history[history["step"].isin([1, 60, 100])]).empty
