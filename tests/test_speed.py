"""What is read off the timings: saturation, slopes, alignment, more devices, the claims."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.analysis import claims, data_parallel, lines, throughput
from pipeline.analysis.claim import Evidence
from pipeline.measure import ladder
from pipeline.params import DataParallel

SIZES = np.array(ladder.dense(1, 4096), dtype=float)


def timings(seconds: np.ndarray, sizes: np.ndarray = SIZES) -> pd.DataFrame:
    """Timings of a machine whose step times are known; its memory is 1 MB + 1 kB an example."""
    power = np.log2(sizes) % 1 == 0
    return pd.DataFrame(
        {
            "variant": "baseline",
            "batch_size": sizes.astype(int),
            "micro_batches": 1,
            "in_grid": power,
            "seconds_per_step": seconds,
            "seconds_per_step_q25": seconds,
            "examples_per_second": sizes / seconds,
            "peak_bytes": np.where(power, 1e5 + 1e3 * sizes, np.nan),
            "update_difference": np.nan,
            "weight_bytes": 1e6,
        }
    )


def kinked(sizes: np.ndarray, at: float) -> np.ndarray:
    return 1e-4 * np.maximum(1, sizes / at)


class TestSaturation:
    @pytest.mark.parametrize("at", [16, 100, 700])
    def test_a_known_bend_is_found(self, at: float) -> None:
        found = lines.bend(SIZES, SIZES / kinked(SIZES, at))
        assert found is not None
        assert found.at.value == pytest.approx(at, rel=0.02)
        assert found.before.value == pytest.approx(1, abs=0.01)
        assert found.after.value == pytest.approx(0, abs=0.01)

    def test_its_interval_covers_the_truth(self) -> None:
        rng = np.random.default_rng(0)
        hits = 0
        for _ in range(200):
            noisy = kinked(SIZES, 100) * np.exp(0.05 * rng.standard_normal(len(SIZES)))
            found = lines.bend(SIZES, SIZES / noisy)
            assert found is not None
            hits += found.at.low <= 100 <= found.at.high
        assert 0.92 <= hits / 200 <= 0.98

    def test_an_affine_step_time_bends_near_its_knee(self) -> None:
        found = lines.bend(SIZES, SIZES / (1e-4 + 1e-6 * SIZES))
        assert found is not None
        assert 50 <= found.at.value <= 200

    def test_a_straight_line_has_no_bend(self) -> None:
        rng = np.random.default_rng(1)
        straight = np.exp(0.05 * rng.standard_normal(len(SIZES)))
        assert lines.bend(SIZES, SIZES / straight) is None
        assert lines.bend(SIZES[:5], SIZES[:5]) is None

    def test_a_bend_upwards_is_no_saturation(self) -> None:
        assert lines.bend(SIZES, kinked(SIZES, 100)) is None

    @settings(max_examples=20)
    @given(st.randoms())
    def test_the_order_of_rows_does_not_matter(self, random: object) -> None:
        order = list(range(len(SIZES)))
        random.shuffle(order)  # type: ignore[attr-defined]
        rates = SIZES / kinked(SIZES, 100)
        assert lines.bend(SIZES[order], rates[order]) == lines.bend(SIZES, rates)


class TestSlope:
    def test_a_known_exponent(self) -> None:
        found = lines.log_log_slope(SIZES, 3 * SIZES**0.7)
        assert found.value == pytest.approx(0.7)
        assert found.low == pytest.approx(0.7)

    def test_two_points_have_none(self) -> None:
        assert np.isnan(lines.log_log_slope([1, 2], [1, 2]).value)

    def test_its_interval_covers_the_truth(self) -> None:
        rng = np.random.default_rng(2)
        hits = 0
        for _ in range(300):
            found = lines.log_log_slope(SIZES, SIZES * np.exp(rng.standard_normal(len(SIZES))))
            hits += found.low <= 1 <= found.high
        assert 0.92 <= hits / 300 <= 0.98


class TestAlignment:
    def test_a_known_advantage_is_measured(self) -> None:
        seconds = 1e-4 + 1e-6 * SIZES
        seconds[SIZES % 32 == 0] /= 1.25
        pairs = throughput.alignment(timings(seconds))
        aligned = pairs[pairs["batch_size"] >= 32]
        assert aligned["speed_up"].to_numpy() == pytest.approx(1.25, rel=0.001)
        assert set(pairs["kind"]) == {"powers of two", "multiples of 32"}
        assert set(pairs.loc[pairs["kind"] == "multiples of 32", "batch_size"] % 32) == {0}

    def test_a_smooth_machine_has_none(self) -> None:
        pairs = throughput.alignment(timings(1e-4 + 1e-6 * SIZES))
        assert pairs["speed_up"].to_numpy() == pytest.approx(1, abs=0.01)

    def test_a_size_without_neighbours_is_left_out(self) -> None:
        assert throughput.alignment(timings(np.ones(4), np.array([7.0, 8, 16, 17]))).empty


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
            }
        )

    def test_the_all_reduce_on_paper(self) -> None:
        assert data_parallel.all_reduce_seconds(1e9, 1, self.LINK) == 0
        assert data_parallel.all_reduce_seconds(1e9, 4, self.LINK) == pytest.approx(0.15 + 6e-5)

    def test_the_model_on_paper(self) -> None:
        timed = timings(1e-4 + 1e-6 * SIZES)
        found = data_parallel.predict(self.tradeoff(), timed, 10_000, self.LINK)
        four = found[(found["batch_size"] == 8) & (found["devices"] == 4)].iloc[0]
        assert four["local_batch_size"] == 2
        step = 1.02e-4 + 1.5 * 1e6 / 1e10 + 6e-5
        assert four["seconds_per_step"] == pytest.approx(step)
        assert four["seconds_per_epoch"] == pytest.approx(step * 1250)
        assert four["seconds_to_target"] == pytest.approx(step * 1000)

    def test_there_are_no_more_devices_than_examples_in_a_batch(self) -> None:
        timed = timings(1e-4 + 1e-6 * SIZES)
        found = data_parallel.predict(self.tradeoff(), timed, 10_000, self.LINK)
        assert found.groupby("batch_size")["devices"].max().tolist() == [8, 64, 1024]
        best = data_parallel.best_by_devices(found)
        assert set(best["batch_size"]) == {8}

    def test_step_times_between_and_beyond_the_measured(self) -> None:
        timed = timings(np.array([1.0, 4.0]), np.array([1.0, 4.0]))
        for size, seconds in ((1, 1), (2, 2), (4, 4), (8, 8)):
            assert data_parallel.step_seconds(timed, size) == pytest.approx(seconds)


class TestClaims:
    def verdicts(self, table: pd.DataFrame) -> dict[str, str]:
        nothing = pd.DataFrame(columns=["variant", "batch_size", "examples_to_target"])
        windows = pd.DataFrame(columns=["variant", "batch_size", "at_edge", "settled", "decades"])
        windows = windows.assign(refined_lr=[], too_small=[], too_large=[]).astype(
            {"at_edge": bool, "settled": bool}
        )
        curves = pd.DataFrame(
            {"variant": "baseline", "batch_size": [8], "step": [125], "epoch": [1.0]}
        )
        evidence = Evidence("baseline", table, nothing, None, windows, curves, 1000)
        found = claims.ledger(evidence)
        assert not found["finding"].str.contains("nan").any()
        assert found["id"].is_unique
        return dict(zip(found["id"], found["verdict"], strict=True))

    def test_what_was_not_measured_is_not_tested(self) -> None:
        found = self.verdicts(timings(kinked(SIZES, 100)))
        for name in ("constant-product", "lr-window", "scaling-rule"):
            assert found[name] == "not tested"
        assert found["epoch-steps"] == "supported"
        assert found["gradient-descent"] == "supported"

    def test_a_machine_that_saturates(self) -> None:
        found = self.verdicts(timings(kinked(SIZES, 100)))
        assert found["larger-faster"] == "mixed"
        assert found["memory-linear"] == "supported"
        assert found["power-of-two"] == "refuted"
        assert found["accumulate"] == "not tested"

    def test_a_machine_that_loves_powers_of_two(self) -> None:
        seconds = 1e-4 + 1e-6 * SIZES
        seconds[(np.log2(SIZES) % 1 == 0) | (SIZES % 32 == 0)] /= 1.5
        assert self.verdicts(timings(seconds))["power-of-two"] == "supported"

    def test_a_machine_whose_larger_batches_are_slower(self) -> None:
        assert self.verdicts(timings(SIZES**1.5))["larger-faster"] == "refuted"

    def test_flat_costs_are_not_linear(self) -> None:
        table = timings(np.full(len(SIZES), 1e-3))
        table["peak_bytes"] = table["peak_bytes"].where(table["peak_bytes"].isna(), 1e6)
        assert self.verdicts(table)["memory-linear"] == "refuted"

    @pytest.mark.parametrize(("difference", "verdict"), [(1e-6, "refuted"), (0.3, "mixed")])
    def test_accumulation(self, difference: float, verdict: str) -> None:
        table = timings(kinked(SIZES, 100))
        whole = table[table["batch_size"] == 4096]
        parts = whole.assign(
            micro_batches=4, seconds_per_step=2 * whole["seconds_per_step"],
            peak_bytes=whole["peak_bytes"] / 4, update_difference=difference,
        )  # fmt: skip
        both = pd.concat([table, parts], ignore_index=True)
        assert self.verdicts(both)["accumulate"] == verdict
        relative = throughput.accumulated(both)
        assert relative["relative_seconds"].tolist() == pytest.approx([1, 2])
        assert relative["relative_bytes"].tolist() == pytest.approx([1, 0.25])

    @pytest.mark.parametrize("sizes", [[8], [8, 64], [1, 2, 4, 8, 16]])
    def test_few_batch_sizes_do_not_break_it(self, sizes: list[int]) -> None:
        few = np.array(sizes, dtype=float)
        self.verdicts(timings(1e-4 + 1e-6 * few, few))
