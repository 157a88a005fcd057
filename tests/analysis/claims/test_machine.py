"""Claims about what a batch costs the machine, on machines whose step times are known."""

import numpy as np
import pandas as pd
import pytest

from makers.study import study_of
from makers.timings import SIZES, kinked, timings_of
from pipeline.analysis import timings
from pipeline.analysis.claims import ledger, machine


class TestMachine:
    def verdicts(self, table: pd.DataFrame) -> dict[str, str]:
        study = study_of(measured={"throughput": table})
        outcomes = {
            claim.id: claim.judge(study)
            for claim in ledger.in_order()
            if claim.judge.__module__ == machine.__name__
        }
        assert len(outcomes) == 4
        assert not any("nan" in outcome.finding for outcome in outcomes.values())
        return {name: outcome.verdict for name, outcome in outcomes.items()}

    def test_a_machine_that_saturates(self) -> None:
        found = self.verdicts(timings_of(kinked(SIZES, 100)))
        assert found["larger-faster"] == "mixed"
        assert found["memory-linear"] == "supported"
        assert found["power-of-two"] == "refuted"
        assert found["accumulate"] == "not tested"

    def test_a_machine_that_loves_powers_of_two(self) -> None:
        seconds = 1e-4 + 1e-6 * SIZES
        seconds[(np.log2(SIZES) % 1 == 0) | (SIZES % 32 == 0)] /= 1.5
        assert self.verdicts(timings_of(seconds))["power-of-two"] == "supported"

    def test_a_machine_whose_larger_batches_are_slower(self) -> None:
        assert self.verdicts(timings_of(SIZES**1.5))["larger-faster"] == "refuted"

    def test_flat_costs_are_not_linear(self) -> None:
        table = timings_of(np.full(len(SIZES), 1e-3))
        table["peak_bytes"] = table["peak_bytes"].where(table["peak_bytes"].isna(), 1e6)
        assert self.verdicts(table)["memory-linear"] == "refuted"

    @pytest.mark.parametrize(("difference", "verdict"), [(1e-6, "refuted"), (0.3, "mixed")])
    def test_accumulation(self, difference: float, verdict: str) -> None:
        table = timings_of(kinked(SIZES, 100))
        whole = table[table["batch_size"] == 4096]
        parts = whole.assign(
            micro_batches=4, seconds_per_step=2 * whole["seconds_per_step"],
            peak_bytes=whole["peak_bytes"] / 4, update_difference=difference,
        )  # fmt: skip
        both = pd.concat([table, parts], ignore_index=True)
        assert self.verdicts(both)["accumulate"] == verdict
        relative = timings.accumulated(both)
        assert relative["relative_seconds"].tolist() == pytest.approx([1, 2])
        assert relative["relative_bytes"].tolist() == pytest.approx([1, 0.25])

    @pytest.mark.parametrize("sizes", [[8], [8, 64], [1, 2, 4, 8, 16]])
    def test_few_batch_sizes_do_not_break_it(self, sizes: list[int]) -> None:
        few = np.array(sizes, dtype=float)
        self.verdicts(timings_of(1e-4 + 1e-6 * few, few))
