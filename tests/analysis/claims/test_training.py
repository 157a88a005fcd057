"""Claims about steps and learning rates, on tables with known answers."""

import pandas as pd
import pytest

from makers.curves import SIZES, fitted, runs, window_table
from makers.study import study_of
from pipeline.analysis import critical, rates
from pipeline.analysis.claims import ledger
from pipeline.params.settings import Settings


class TestClaims:
    def verdict(self, name: str, size: float, exponent: float) -> str:
        data = runs(size, spread=0.01, seed=1)
        steps = pd.Series(data.steps).groupby(data.batch_size).median()
        tradeoff = pd.DataFrame(
            {"variant": "baseline", "batch_size": SIZES.astype(int),
             "examples_to_target": steps.to_numpy() * SIZES}
        )  # fmt: skip
        curves = pd.DataFrame(
            {"variant": "baseline", "batch_size": [16, 16], "step": [62, 31], "epoch": [1.0, 0.5]}
        )
        study = study_of(
            tradeoff=tradeoff,
            critical=fitted(data),
            overheads=critical.overheads(data.means, 0),
            windows=rates.windows(*window_table(exponent)),
            curves=curves,
            settings={"baseline": Settings()},
        )
        judges = {claim.id: claim.judge for claim in ledger.in_order()}
        return judges[name](study).verdict

    @pytest.mark.parametrize(
        ("size", "verdict"), [(1e6, "supported"), (60, "mixed"), (3.0, "refuted")]
    )
    def test_the_constant_product(self, size: float, verdict: str) -> None:
        assert self.verdict("constant-product", size, 0.5) == verdict

    @pytest.mark.parametrize(
        ("k", "verdict"), [(1.0, "supported"), (0.5, "supported"), (0.0, "refuted")]
    )
    def test_the_scaling_rule(self, k: float, verdict: str) -> None:
        assert self.verdict("scaling-rule", 60, k) == verdict

    def test_the_window_and_the_epochs(self) -> None:
        assert self.verdict("lr-window", 60, 0.5) == "supported"
        assert self.verdict("epoch-steps", 60, 0.5) == "supported"
