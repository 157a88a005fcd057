"""The prediction for several devices."""

import numpy as np
import pandas as pd
import pytest

from makers.timings import SIZES, timings_of
from pipeline.analysis import data_parallel
from pipeline.params.protocol import DataParallel


class TestDevices:
    LINK = DataParallel(bandwidth_gb_per_second=10, latency_seconds=1e-5)

    def tradeoff(self) -> pd.DataFrame:
        return pd.DataFrame(
            {
                "variant": "baseline",
                "batch_size": [8, 64, 1024],
                "seeds": 5.0,
                "reached": [5.0, 3.0, 0.0],
                "steps_to_target": [1000.0, 1.0, np.nan],
                "examples_to_target": [8000.0, 64.0, np.nan],
            }
        )

    def test_the_all_reduce_on_paper(self) -> None:
        assert data_parallel.all_reduce_seconds(1e9, 1, self.LINK) == 0
        assert data_parallel.all_reduce_seconds(1e9, 4, self.LINK) == pytest.approx(0.15 + 6e-5)

    def test_the_model_on_paper(self) -> None:
        timed = timings_of(1e-4 + 1e-6 * SIZES)
        found = data_parallel.predict(self.tradeoff(), timed, 10_000, self.LINK)
        four = found[(found["batch_size"] == 8) & (found["devices"] == 4)].iloc[0]
        assert four["local_batch_size"] == 2
        step = 1.02e-4 + 1.5 * 1e6 / 1e10 + 6e-5
        assert four["seconds_per_step"] == pytest.approx(step)
        assert four["seconds_per_epoch"] == pytest.approx(step * 1250)
        assert four["seconds_to_target"] == pytest.approx(step * 1000)

    def test_a_batch_that_grows_is_charged_at_its_mean_size(self) -> None:
        timed = timings_of(1e-4 + 1e-6 * SIZES)
        grown = self.tradeoff().assign(examples_to_target=[32_000.0, 64.0, np.nan])
        found = data_parallel.predict(grown, timed, 10_000, self.LINK)
        two = found[(found["batch_size"] == 8) & (found["devices"] == 2)].iloc[0]
        same = found[(found["batch_size"] == 64) & (found["devices"] == 4)].iloc[0]
        assert two["seconds_per_step"] == pytest.approx(1.16e-4 + 1e6 / 1e10 + 2e-5)
        assert same["seconds_per_step"] == pytest.approx(1.16e-4 + 1.5 * 1e6 / 1e10 + 6e-5)

    def test_there_are_no_more_devices_than_examples_in_a_batch(self) -> None:
        timed = timings_of(1e-4 + 1e-6 * SIZES)
        found = data_parallel.predict(self.tradeoff(), timed, 10_000, self.LINK)
        assert found.groupby("batch_size")["devices"].max().tolist() == [8, 64, 1024]
        best = data_parallel.best_by_devices(found)
        assert set(best["batch_size"]) == {8}

    def test_step_times_between_and_beyond_the_measured(self) -> None:
        timed = timings_of(np.array([1.0, 4.0]), np.array([1.0, 4.0]))
        for size, seconds in ((1, 1), (2, 2), (4, 4), (8, 8)):
            assert data_parallel.step_seconds(timed, size) == pytest.approx(seconds)

    def test_what_was_measured_stands_beside_it(self) -> None:
        timed = timings_of(1e-4 + 1e-6 * SIZES)
        predicted = data_parallel.predict(self.tradeoff(), timed, 10_000, self.LINK)
        measured = pd.DataFrame({
            "variant": "baseline", "devices": 2, "batch_size": [8],
            "seconds_per_step": [4e-4], "seconds_all_reduce": [2.4e-4],
        })  # fmt: skip
        both = data_parallel.beside_measured(predicted, measured)
        (row,) = both.dropna(subset=["measured_seconds_per_step"]).itertuples()
        assert (row.batch_size, row.devices) == (8, 2)
        assert row.predicted_over_measured == pytest.approx((1.04e-4 + 1.2e-4) / 4e-4)
        assert row.with_link_over_measured == pytest.approx((1.04e-4 + 2.4e-4) / 4e-4)
        assert len(both) == len(predicted)

    def test_without_a_measurement_nothing_stands_there(self) -> None:
        timed = timings_of(1e-4 + 1e-6 * SIZES)
        predicted = data_parallel.predict(self.tradeoff(), timed, 10_000, self.LINK)
        both = data_parallel.beside_measured(predicted, pd.DataFrame())
        assert both["predicted_over_measured"].isna().all()
        assert len(both) == len(predicted)
