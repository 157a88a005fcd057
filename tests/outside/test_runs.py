"""A table of runs becomes what the stages write, or is refused with its row."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from makers import program
from pipeline import recommend
from pipeline.errors import InputError
from pipeline.outside import runs
from pipeline.outside.runs import Runs
from pipeline.params.trainer import Columns

SIZES, RATES = (4, 16, 64, 256), (0.01, 0.1, 0.3, 1.0, 3.0)


def table(seeds: int = 3, steps: int = 300) -> pd.DataFrame:
    """Runs of the test's program."""
    parts = [
        pd.DataFrame(program.curve(size, lr, seed, steps)).assign(batch_size=size, lr=lr, seed=seed)
        for size in SIZES
        for lr in RATES
        for seed in range(seeds)
    ]
    return pd.concat(parts, ignore_index=True)


@pytest.fixture(scope="module")
def known() -> pd.DataFrame:
    return table()


def step_seconds(known: pd.DataFrame) -> pd.DataFrame:
    """The table with seconds that are known: 1 ms a step and 10 us an example."""
    return known.assign(seconds=known["step"] * (1e-3 + 1e-5 * known["batch_size"]))


class TestReading:
    def test_names_and_order_do_not_matter(self, known: pd.DataFrame) -> None:
        other = known.rename(columns={"batch_size": "bs", "lr": "learning_rate"})
        columns = Columns(batch_size="bs", lr="learning_rate")
        shuffled = other.sample(frac=1, random_state=0)
        assert runs.of_frame(shuffled, columns).equals(runs.of_frame(known, Columns()))

    def test_csv_and_parquet_are_the_same(self, known: pd.DataFrame, tmp_path: Path) -> None:
        known.to_csv(tmp_path / "runs.csv", index=False)
        known.to_parquet(tmp_path / "runs.parquet", index=False)
        one, other = (
            runs.read(tmp_path / f"runs.{kind}", Columns()) for kind in ("csv", "parquet")
        )
        pd.testing.assert_frame_equal(one, other)

    def test_a_run_that_goes_on_without_numbers_has_diverged(self, known: pd.DataFrame) -> None:
        lost = known.copy()
        is_lost = (lost["batch_size"] == 4) & (lost["lr"] == 0.3) & (lost["step"] > 100)
        lost.loc[is_lost, ["val_loss", "test_score"]] = np.nan
        told = Runs(runs.of_frame(lost, Columns()), None).screened("baseline", 4)
        status = told.lanes.set_index(["lr", "seed"])["status"]
        assert (status[0.3] == "diverged").all()
        assert (status.drop([0.3, 3.0]) == "finished").all()
        assert told.history.loc[told.history["lr"] == 0.3, "step"].max() <= 100

    def test_a_last_row_without_a_loss_is_no_divergence(self, known: pd.DataFrame) -> None:
        last = known.groupby(["batch_size", "lr", "seed"])["step"].transform("max") == known["step"]
        more = known[last].assign(step=known["step"] + 7, val_loss=np.nan, test_score=np.nan)
        told = Runs(runs.of_frame(pd.concat([known, more]), Columns()), None)
        status = told.screened("baseline", 16).lanes.set_index("lr")["status"]
        assert (status.drop(3.0) == "finished").all()

    @pytest.mark.parametrize(
        ("given", "name"), [("1", "variant_1"), ("a b", "a_b"), (" ", "baseline")]
    )
    def test_variants_are_names(self, known: pd.DataFrame, given: str, name: str) -> None:
        assert set(runs.of_frame(known.assign(variant=given), Columns())["variant"]) == {name}

    def test_a_column_that_is_called_like_another_of_ours(self, known: pd.DataFrame) -> None:
        odd = known.rename(columns={"lr": "rate"}).assign(lr="n/a")
        found = runs.of_frame(odd, Columns(lr="rate"))
        assert found.equals(runs.of_frame(known, Columns()))

    def test_a_run_that_ends_early_was_stopped(self, known: pd.DataFrame) -> None:
        short = known[~((known["lr"] == 0.1) & (known["seed"] == 1) & (known["step"] > 50))]
        told = Runs(runs.of_frame(short, Columns()), None).screened("baseline", 16)
        stopped = told.lanes[told.lanes["status"] == "stopped"]
        assert stopped[["lr", "seed"]].to_numpy().tolist() == [[0.1, 1]]
        assert stopped["steps"].iloc[0] <= 50

    @pytest.mark.parametrize(
        ("change", "rule"),
        [
            ({"drop": "step"}, "trainer.columns.step: 'step' is none of the columns"),
            ({"drop": "val_loss"}, "has neither val_loss nor val_score"),
            ({"step": -1}, "row 1: step '-1' is no whole number from 0"),
            ({"batch_size": "large"}, "row 1: batch_size 'large' is no whole number from 1"),
            ({"batch_size": 2.5}, "row 1: batch_size '2.5' is no whole number from 1"),
            ({"lr": 0}, "row 1: lr '0' is no finite rate above 0"),
            ({"val_loss": "low"}, "row 1: val_loss 'low' is no number"),
            ({"drop": "seed"}, "stands twice; runs that differ in a seed need a column for it"),
        ],
    )
    def test_a_bad_table_is_refused(
        self, known: pd.DataFrame, change: dict[str, object], rule: str
    ) -> None:
        bad = known.copy()
        for name, value in change.items():
            bad = bad.drop(columns=str(value)) if name == "drop" else bad.assign(**{name: value})
        with pytest.raises(InputError) as refused:
            runs.of_frame(bad, Columns())
        assert rule in str(refused.value)

    def test_one_batch_size_is_nothing_to_compare(self, known: pd.DataFrame) -> None:
        with pytest.raises(InputError, match=r"batch_size: \[16\] is nothing to compare"):
            runs.of_frame(known[known["batch_size"] == 16], Columns())


def chosen(*rates: float) -> pd.DataFrame:
    """Rates of batch size 16, the fastest first."""
    return pd.DataFrame({"variant": "baseline", "batch_size": 16, "lr": rates})


class TestFreshSeeds:
    def test_seeds_beyond_the_common_ones_are_fresh(self) -> None:
        """They give the intervals, and have no say in the choice of the rate."""
        more = table(6)
        more = more[(more["seed"] < 3) | (more["lr"] == 0.3)]
        told = Runs(runs.of_frame(more, Columns()), None)
        screened, fresh = told.screened("baseline", 16), told.fresh(chosen(0.3, 0.1))
        assert set(screened.lanes["seed"]) == {0, 1, 2}
        assert fresh.lanes[["lr", "seed"]].to_numpy().tolist() == [[0.3, 3], [0.3, 4], [0.3, 5]]

    def test_where_the_fastest_has_none_all_seeds_count(self) -> None:
        more = table(6)
        more = more[(more["seed"] < 3) | (more["lr"] == 0.3)]
        told = Runs(runs.of_frame(more, Columns()), None)
        assert set(told.fresh(chosen(0.1, 0.3)).lanes["seed"]) == set(range(6))

    def test_where_all_chose_there_are_none(self, known: pd.DataFrame) -> None:
        assert runs.fresh_seeds(runs.of_frame(known, Columns()).query("batch_size == 16")) == {}
        assert any("also lucky" in word for word in recommend(known).warnings)

    def test_where_the_best_rates_have_seeds_of_their_own_nobody_is_warned(self) -> None:
        more = table(6)
        best = more["lr"].isin([0.3, 1.0])  # one of them is each batch size's fastest
        advice = recommend(more[(more["seed"] < 3) | best])
        assert not any("also lucky" in word for word in advice.warnings)
        assert advice.study.self_chosen == []

    def test_a_number_of_its_own_for_each_run_makes_no_seed_fresh(
        self, known: pd.DataFrame
    ) -> None:
        own = known.assign(seed=known.groupby(["batch_size", "lr", "seed"]).ngroup())
        assert runs.fresh_seeds(runs.of_frame(own, Columns()).query("batch_size == 16")) == {}


class TestRecommend:
    def test_the_closed_form_is_found(self, known: pd.DataFrame) -> None:
        """On a quadratic larger batches take fewer steps as long as noise limits them."""
        advice = recommend(step_seconds(known))
        assert advice.batch_size in advice.may_be_fastest
        assert advice.headline.startswith(f"Use batch size {advice.batch_size} ")
        steps = advice.tradeoff.set_index("batch_size")["steps_to_target"]
        assert steps.is_monotonic_decreasing
        seconds = steps * (1e-3 + 1e-5 * steps.index)
        assert advice.batch_size == seconds.idxmin()
        assert advice.seconds_to_target.low < seconds.min() < advice.seconds_to_target.high

    def test_the_end_of_what_was_tried_is_told(self, known: pd.DataFrame) -> None:
        """Where a step costs the same at any batch size the largest wins, and beyond it one more
        might."""
        free = known.assign(seconds=1e-3 * known["step"])
        assert any("256 is the largest batch size" in word for word in recommend(free).warnings)
        dear = known.assign(seconds=1e-3 * known["step"] * known["batch_size"] ** 2)
        assert any("4 is the smallest batch size" in word for word in recommend(dear).warnings)
        root = known.assign(seconds=1e-3 * known["step"] * known["batch_size"] ** 0.5)
        advice = recommend(root)
        assert advice.batch_size == 64
        assert not any("batch size tried" in word for word in advice.warnings)

    def test_seeds_that_miss_with_what_is_recommended_are_told(self, known: pd.DataFrame) -> None:
        """At batch size 4 the noise keeps one of three seeds from the target."""
        dear = known.assign(seconds=1e-3 * known["step"] * known["batch_size"] ** 2)
        told = (
            "1 of 3 seeds misses the target with what is recommended; all reach it at batch size "
            "16, 64, 256."
        )
        assert told in recommend(dear).warnings
        free = known.assign(seconds=1e-3 * known["step"])
        assert not any("with what is recommended" in word for word in recommend(free).warnings)

    def test_without_seconds_it_tells_of_steps_alone(self, known: pd.DataFrame) -> None:
        advice = recommend(known.drop(columns="seconds"))
        assert advice.batch_size is None
        assert "takes the fewest examples" in advice.headline
        assert advice.critical.low < advice.critical.value < advice.critical.high

    def test_a_clock_of_whole_seconds_tells_nothing_of_short_runs(
        self, known: pd.DataFrame
    ) -> None:
        advice = recommend(known.assign(seconds=0.0))
        assert advice.batch_size is None
        assert "Without seconds per step" in advice.headline

    def test_packs_may_be_missing(self, known: pd.DataFrame) -> None:
        wide = known[known["batch_size"] > 4].assign(variant="wide")
        advice = recommend(step_seconds(pd.concat([known.assign(variant="narrow"), wide])))
        assert advice.batch_size is not None

    def test_an_unknown_column_is_refused(self, known: pd.DataFrame) -> None:
        with pytest.raises(InputError, match="columns: 'valloss' is not one of batch_size, lr"):
            recommend(known, columns={"valloss": "x"})

    def test_one_seed_gives_no_interval(self, known: pd.DataFrame) -> None:
        one = step_seconds(known[known["seed"] == 0]).drop(columns="seed")
        advice = recommend(one)
        assert "no interval" in advice.headline
        assert "nothing tells batch sizes apart" in advice.headline
        assert np.isnan(advice.seconds_to_target.low)
        assert advice.tradeoff["probability_fastest"].isna().all()

    def test_a_limit_is_respected(self, known: pd.DataFrame) -> None:
        from pipeline.params.protocol import Limits

        advice = recommend(step_seconds(known), limits=Limits(seconds=1e-9))
        assert advice.batch_size is None
        assert "limits.seconds" in advice.headline

    def test_a_metric_that_nobody_recorded_is_refused(self, known: pd.DataFrame) -> None:
        with pytest.raises(InputError, match=r"target\.metric=val_loss counts that"):
            recommend(known, metric="val_score")
