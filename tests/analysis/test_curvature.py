"""Sharpness against batch size, and the limit that curvature sets."""

import numpy as np
import pytest

from makers.outcomes import SIZES, sharpness
from pipeline.analysis import curvature
from pipeline.params.optimizer import Optimizer


class TestCurvature:
    @pytest.mark.parametrize("exponent", [-0.5, 0.0, 0.7])
    def test_a_known_exponent(self, exponent: float) -> None:
        found = curvature.exponents(sharpness(exponent), "v")["eigenvalue_1"]
        assert found.value == pytest.approx(exponent)
        assert found.n == 5

    def test_seeds_that_agree_on_no_line_leave_a_wide_interval(self) -> None:
        table = sharpness(0.5)
        wave = {size: 3.0 ** (-1) ** place for place, size in enumerate(SIZES)}
        table["eigenvalue_1"] *= table["batch_size"].map(wave)
        found = curvature.exponents(table, "v")["eigenvalue_1"]
        straight = curvature.exponents(sharpness(0.5), "v")["eigenvalue_1"]
        assert straight.high - straight.low < 0.1
        assert found.high - found.low > 0.3

    def test_growth_at_equal_loss_is_found(self) -> None:
        found = curvature.equal_loss_exponent(sharpness(0.3), "v")
        assert found.value == pytest.approx(0.3)
        assert found.low > 0

    def test_one_training_with_false_batch_sizes_is_not_sharper(self) -> None:
        """The trap: sharpness follows the loss, and the loss the batch size."""
        rng = np.random.default_rng(0)
        table = sharpness(0.0)
        for reach in (0.3, 1.0):
            losses = 0.1 * table["batch_size"] ** reach * np.exp(rng.normal(0, 0.05, len(table)))
            labelled = table.assign(train_loss=losses, eigenvalue_1=5 * losses)
            found = curvature.equal_loss_exponent(labelled, "v")
            assert not found.low > 0

    def test_what_is_left_of_the_loss_is_taken_out(self) -> None:
        rng = np.random.default_rng(0)
        table = sharpness(0.0)
        losses = 0.1 * table["batch_size"] ** 0.1 * np.exp(rng.normal(0, 0.3, len(table)))
        found = curvature.equal_loss_exponent(
            table.assign(train_loss=losses, eigenvalue_1=5 * losses), "v"
        )
        assert found.value == pytest.approx(0.0, abs=0.01)

    def test_every_seed_is_watched_early(self) -> None:
        early = curvature.early_products(sharpness(0.0), "v")
        assert len(early) == len(SIZES) * 5
        assert early["product"].mean() == pytest.approx(0.05, rel=0.01)

    def test_the_control_shows_what_moved(self) -> None:
        found = curvature.control(sharpness(0.5)).set_index("measure")["ratio"]
        assert found["largest eigenvalue"] == pytest.approx(4)
        assert found["adaptive sharpness"] == pytest.approx(1)
        assert curvature.control(sharpness(0.5).query("point == 'solution'")).empty

    def test_means_are_geometric_and_survive_zero(self) -> None:
        table = sharpness(0.0)
        table.loc[table.index[0], "eigenvalue_1"] = 0.0
        found = curvature.by_batch_size(table)
        assert found["batch_size"].tolist() == SIZES
        assert np.isfinite(found["eigenvalue_1"]).all()
        assert found["adaptive"].to_numpy() == pytest.approx(0.5, rel=0.01)

    def test_the_stability_limit(self) -> None:
        limit = curvature.stability_limit
        assert limit(Optimizer("sgd")) == 2
        assert limit(Optimizer("sgd", 0.9)) == pytest.approx(3.8)
        assert limit(Optimizer("nesterov", 0.9)) == pytest.approx(3.8 / 2.8)
        assert limit(Optimizer("adam")) is None

    @pytest.mark.parametrize(
        ("name", "momentum"), [("sgd", 0.0), ("sgd", 0.9), ("nesterov", 0.1), ("nesterov", 0.9)]
    )
    def test_descent_on_a_parabola_diverges_just_beyond_it(
        self, name: str, momentum: float
    ) -> None:
        limit = curvature.stability_limit(Optimizer(name, momentum))
        assert limit is not None

        def end(rate: float) -> float:
            x, velocity = 1.0, 0.0
            for _ in range(2000):
                velocity = momentum * velocity + x  # torch's update with a curvature of 1
                x -= rate * (x + momentum * velocity if name == "nesterov" else velocity)
            return abs(x)

        assert end(0.98 * limit) < 1
        assert end(1.02 * limit) > 1
