"""The local critical batch size, on branches whose critical batch size is known."""

import numpy as np
import pandas as pd
import pytest

from makers.study import study_of
from pipeline.analysis import branches
from pipeline.analysis.claims import training
from pipeline.analysis.critical import OVERHEAD

STEPS = (60, 120, 240, 480)
SIZES = 4 * 2 ** np.arange(7)


def table(
    exponent: float, noise: float = 0.02, seeds: int = 5, seed: int = 0, start: float = 100.0
) -> pd.DataFrame:
    """Branches that get as far as 1 / (1 + B / critical), at critical batch sizes that grow as
    step^exponent; at two further rates they get half as far. The trunk's own rate is too large for
    it: its branches go nowhere, as those do that only a lower rate brings down."""
    rng = np.random.default_rng(seed)
    rows = []
    for step in STEPS:
        critical = start * (step / STEPS[0]) ** exponent
        for size in SIZES:
            for number in range(seeds):
                fall = 0.1 / (1 + size / critical) * np.exp(rng.normal(0, noise))
                for share in (1.0, 0.5, 0.2) if size > SIZES[0] else (0.1,):
                    rows.append((size, step, number, 1.0, 1.0 - share * fall))
    names = ["batch_size", "step", "seed", "loss_before", "loss_after"]
    table = pd.DataFrame(rows, columns=names)
    return table.assign(examples=table["step"] * SIZES[0])


class TestLocalCritical:
    @pytest.mark.parametrize("start", [20.0, 100.0, 300.0])
    def test_what_is_planted_is_found(self, start: float) -> None:
        found = branches.local_critical(table(0.0, noise=1e-4, start=start))
        best = SIZES[1]  # where the fall is the most
        expected = OVERHEAD * (start + best) - start
        np.testing.assert_allclose(found["critical"], expected, rtol=0.05)
        assert not found["is_largest"].any()

    def test_the_largest_tried_is_a_bound(self) -> None:
        found = branches.local_critical(table(0.0, start=1e5))
        assert found["is_largest"].all()
        assert (found["critical"].round() == SIZES[-1]).all()

    def test_a_branch_that_diverges_falls_by_nothing(self) -> None:
        given = table(0.0)
        given.loc[given["batch_size"] == SIZES[3], "loss_after"] = np.inf
        shares = branches.progress(given)
        assert (shares[SIZES[3]] == 0).all()
        assert (branches.critical_sizes(given) < SIZES[3]).all()

    @pytest.mark.parametrize("after", [1.0, 1.5])
    @pytest.mark.parametrize("sizes", [SIZES, SIZES[:1]])
    def test_no_fall_no_number(self, after: float, sizes: np.ndarray) -> None:
        given = table(0.0).assign(loss_after=after)
        given = given[given["batch_size"].isin(sizes)]
        assert np.isnan(branches.critical_sizes(given)).all()
        assert np.isnan(branches.growth(given).value)
        assert not branches.local_critical(given)["is_largest"].any()

    @pytest.mark.parametrize("left", [0, 1, 3])
    def test_seeds_that_diverged_on_the_way_do_not_count(self, left: int) -> None:
        given = table(0.8)
        given = given[(given["step"] < STEPS[-1]) | (given["seed"] < left)]
        if left == 0:  # of the last moment nothing is left
            assert branches.growth(given).n == 5
            return
        assert branches.growth(given).n == left
        assert set(branches.local_critical(given)["seeds"]) == {left}

    def test_few_moments_or_seeds(self) -> None:
        given = table(0.8)
        assert branches.growth(given[given["step"] < 200]).n == 0
        one = branches.growth(given[given["seed"] == 0])
        assert one.n == 1
        assert np.isnan(one.low)
        assert branches.local_critical(given[:0]).empty


class TestClaim:
    def verdicts(self, exponent: float, noise: float, count: int) -> list[str]:
        judged = [
            study_of(measured={"branches": table(exponent, noise, seed=seed)})
            for seed in range(count)
        ]
        return [training.local_critical(study).verdict for study in judged]

    def test_growth_is_seen(self) -> None:
        assert self.verdicts(0.5, 0.03, 50).count("supported") >= 45
        assert self.verdicts(-0.3, 0.02, 50).count("refuted") >= 45

    @pytest.mark.slow
    def test_none_is_rarely_seen(self) -> None:
        verdicts = self.verdicts(0.0, 0.1, 200)
        assert verdicts.count("supported") <= 10
        assert verdicts.count("refuted") <= 10

    def test_without_branches_it_says_so(self) -> None:
        outcome = training.local_critical(study_of(measured={"branches": table(0.0)[:0]}))
        assert outcome.verdict == "not tested"
