"""Claims about what a batch costs the machine, on machines whose step times are known."""

import numpy as np
import pandas as pd
import pytest

from makers.study import study_of
from makers.timings import SIZES, kinked, timings_of
from pipeline.analysis import timings
from pipeline.analysis.claims import ledger, machine

NEITHER = pd.DataFrame(columns=["batch_size", "kind", "speed_up"])


def aligned(*speed_ups: float) -> pd.DataFrame:
    """Powers of two that are so many times as fast as their neighbours."""
    sizes = 8 * 2 ** np.arange(len(speed_ups))
    return pd.DataFrame({"batch_size": sizes, "kind": "powers of two", "speed_up": speed_ups})


def verdicts(table: pd.DataFrame, alignment: pd.DataFrame = NEITHER) -> dict[str, str]:
    study = study_of(measured={"throughput": table, "alignment": alignment})
    outcomes = {
        claim.id: claim.judge(study)
        for claim in ledger.in_order()
        if claim.judge.__module__ == machine.__name__
    }
    assert len(outcomes) == 7
    assert not any("nan" in outcome.finding for outcome in outcomes.values())
    return {name: outcome.verdict for name, outcome in outcomes.items()}


def test_a_machine_that_saturates() -> None:
    found = verdicts(timings_of(kinked(SIZES, 100)))
    assert found["larger-faster"] == "supported"
    assert found["compute-linear"] == "refuted"
    assert found["memory-linear"] == "supported"
    assert found["memory-lower"] == "refuted"
    assert found["accumulate"] == "not tested"
    assert found["power-of-two"] == "not tested"


def test_a_machine_without_overhead() -> None:
    found = verdicts(timings_of(1e-5 * SIZES))
    assert found["compute-linear"] == "supported"
    assert found["larger-faster"] == "undecided"


def test_a_machine_whose_larger_batches_are_slower() -> None:
    assert verdicts(timings_of(SIZES**1.5))["larger-faster"] == "refuted"


@pytest.mark.parametrize(
    ("speed_ups", "verdict"),
    [((1.1, 1.12, 1.09, 1.1), "supported"), ((1.0, 1.01, 0.99, 1.0), "refuted"),
     ((0.8, 1.3, 1.0, 1.1), "undecided"), ((1.1, 1.1), "not tested")],
)  # fmt: skip
def test_aligned_sizes(speed_ups: tuple[float, ...], verdict: str) -> None:
    found = verdicts(timings_of(1e-4 + 1e-6 * SIZES), aligned(*speed_ups))
    assert found["power-of-two"] == verdict
    assert found["multiple-of-32"] == "not tested"


class TestMemory:
    def law(self, peaks: np.ndarray) -> timings.MemoryLaw | None:
        table = timings_of(1e-4 + 1e-6 * SIZES)
        table["peak_bytes"] = np.where(np.log2(SIZES) % 1 == 0, peaks, np.nan)
        return timings.memory_law(table)

    def test_a_floor_and_a_line_are_found(self) -> None:
        law = self.law(np.maximum(5e5, 1e5 + 1792 * SIZES))
        assert law is not None
        assert law.floor == pytest.approx(5e5)
        assert law.per_example == pytest.approx(1792)
        assert law.start == pytest.approx(1e5)
        assert law.off < 1e-9

    def test_a_curve_is_no_line(self) -> None:
        law = self.law(1e5 + SIZES**2)
        assert law is not None
        assert law.off > 0.05

    def test_flat_memory_does_not_grow(self) -> None:
        assert self.law(np.full(len(SIZES), 1e6)) is None


@pytest.mark.parametrize(("difference", "verdict"), [(1e-6, "refuted"), (0.3, "supported")])
def test_accumulation(difference: float, verdict: str) -> None:
    table = timings_of(kinked(SIZES, 100))
    whole = table[table["batch_size"] == 4096]
    parts = whole.assign(
        micro_batches=4, seconds_per_step=2 * whole["seconds_per_step"],
        peak_bytes=whole["peak_bytes"] / 4, update_difference=difference,
    )  # fmt: skip
    both = pd.concat([table, parts], ignore_index=True)
    assert verdicts(both)["accumulate"] == verdict
    relative = timings.accumulated(both)
    assert relative["relative_seconds"].tolist() == pytest.approx([1, 2])
    assert relative["relative_bytes"].tolist() == pytest.approx([1, 0.25])


@pytest.mark.parametrize("sizes", [[8], [8, 64], [1, 2, 4, 8, 16]])
def test_few_batch_sizes_do_not_break_it(sizes: list[int]) -> None:
    few = np.array(sizes, dtype=float)
    verdicts(timings_of(1e-4 + 1e-6 * few, few))


def test_a_wrong_verdict_on_speed_is_rare() -> None:
    """Type I: of machines without overhead, whose larger batches are no faster, and that vary from
    run to run as the six did."""
    rng = np.random.default_rng(0)
    wrong = 0
    for _ in range(500):
        noise = np.exp(rng.normal(0, timings.BETWEEN_RATIOS / np.sqrt(2), len(SIZES)))
        outcome = timings.gain(timings_of(1e-5 * SIZES * noise))
        wrong += outcome.low > 1
    assert wrong <= 0.05 * 500
