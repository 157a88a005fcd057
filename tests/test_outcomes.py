"""What the measures of solutions say about batch sizes, on tables with known answers."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.analysis import (
    claims_solutions,
    curvature,
    escape,
    generalisation,
    lines,
    noise,
    statistics,
)
from pipeline.analysis.claim import Claim, Evidence
from pipeline.analysis.generalisation import COMPARISONS
from pipeline.analysis.targets import PACK

SIZES = [4, 16, 64, 256]
SEEDS = range(1000, 1005)
JITTER = dict(zip(SEEDS, [-0.001, 0.0005, 0.0, 0.001, -0.0005], strict=True))


class TestStatistics:
    def test_two_batch_sizes_are_enough_for_paired_slopes(self) -> None:
        rows = [(seed, size, c * size**0.5) for seed, c in ((0, 1.0), (1, 3.0)) for size in (4, 64)]
        table = pd.DataFrame([*rows, (2, 4, 1.0)], columns=["seed", "x", "y"])
        found = lines.mean_slope(table, "seed", "x", "y")
        assert (found.value, found.n) == (pytest.approx(0.5), 2)

    def test_holm_on_paper(self) -> None:
        found = statistics.holm(np.array([0.01, 0.04, 0.03, np.nan]))
        np.testing.assert_allclose(found, [0.03, 0.06, 0.06, np.nan])

    @given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
    def test_holm_is_no_smaller_and_keeps_the_order(self, p: list[float]) -> None:
        raw = np.array(p)
        found = statistics.holm(raw)
        assert (found >= raw).all()
        assert (found <= 1).all()
        assert (np.diff(found[np.argsort(raw, kind="stable")]) >= 0).all()

    def test_one_sided_p(self) -> None:
        values = [-1.0, -2.0, -3.0]
        assert statistics.p_below(values, 0) == pytest.approx(0.0370909, rel=1e-4)  # t(2) = -3.46
        assert statistics.p_below([-1.0, -1.0], 0) == 0
        assert statistics.p_below([0.0, 0.0], 0) == 1
        assert np.isnan(statistics.p_below([1.0], 0))


def scores(loss_by_budget: dict[str, float]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Evaluations and selection; each fourfold larger batch loses this much in test score."""
    rates = {budget: 0.1 * place for place, budget in enumerate(COMPARISONS, 1)}
    selection = pd.DataFrame(
        [("v", size, criterion, rates[name])
         for name, (_, criterion) in COMPARISONS.items() for size in SIZES],
        columns=["variant", "batch_size", "criterion", "lr"],
    )  # fmt: skip
    rows = [
        {"variant": "v", "batch_size": size, "lr": rates[name], "seed": seed, "budget": budget,
         "test_score": 0.9 + 10 * JITTER[seed] - loss_by_budget[name] * place
         + JITTER[1000 + (seed + place) % 5], "generalisation_gap": 0.05}
        for name, (budget, _) in COMPARISONS.items()
        for place, size in enumerate(SIZES) for seed in SEEDS
    ]  # fmt: skip
    return pd.DataFrame(rows), selection


def compared(loss: float | dict[str, float], **keys: float) -> pd.DataFrame:
    losses = loss if isinstance(loss, dict) else dict.fromkeys(COMPARISONS, loss)
    return generalisation.compare(*scores(losses), **({"margin": 0.01} | keys))


class TestGeneralisation:
    def test_a_known_difference(self) -> None:
        table = compared(0.02)
        last = table[table["batch_size"] == 256]
        assert set(last["verdict"]) == {"worse"}
        np.testing.assert_allclose(last["difference"], -0.06, atol=0.001)
        assert (last["difference_low"] < -0.06).all()
        assert (last["seeds"] == 5).all()
        assert set(table.loc[table["batch_size"] == 4, "verdict"]) == {""}

    def test_no_difference_is_shown_only_within_the_margin(self) -> None:
        assert set(compared(0.0)["verdict"]) == {"", "equivalent"}
        assert set(compared(0.0, margin=0.0001)["verdict"]) == {"", "unclear"}

    def test_a_better_one_is_said_to_be(self) -> None:
        assert set(compared(-0.02)["verdict"]) == {"", "better"}

    def test_one_batch_size_has_nothing_to_compare(self) -> None:
        evaluation, selection = scores(dict.fromkeys(COMPARISONS, 0.1))
        alone = evaluation[evaluation["batch_size"] == 4]
        assert set(generalisation.compare(alone, selection, 0.01)["verdict"]) == {""}

    def test_a_missing_seed_leaves_its_pair_out(self) -> None:
        evaluation, selection = scores(dict.fromkeys(COMPARISONS, 0.02))
        gone = (evaluation["batch_size"] == 256) & (evaluation["seed"] == 1000)
        table = generalisation.compare(evaluation[~gone], selection, 0.01)
        assert set(table.loc[table["batch_size"] == 256, "seeds"]) == {4}


def sharpness(exponent: float, factor: float = 4.0) -> pd.DataFrame:
    rows = [
        {"variant": "v", "batch_size": size, "lr": 0.1, "seed": seed, "point": point,
         "eigenvalue_1": base * (factor if point == "rescaled" else 1),
         "keskar_full_0.001": base * (factor if point == "rescaled" else 1), "adaptive": base}
        for size in SIZES for seed in SEEDS for point in ("solution", "rescaled", "early")
        for base in [0.5 * size**exponent * (1 + 10 * JITTER[seed])]
    ]  # fmt: skip
    return pd.DataFrame(rows)


class TestCurvature:
    @pytest.mark.parametrize("exponent", [-0.5, 0.0, 0.7])
    def test_a_known_exponent(self, exponent: float) -> None:
        found = curvature.exponent(sharpness(exponent), "v", "eigenvalue_1")
        assert found.value == pytest.approx(exponent)
        assert found.n == 5

    def test_seeds_that_agree_on_no_line_leave_a_wide_interval(self) -> None:
        table = sharpness(0.5)
        wave = {size: 3.0 ** (-1) ** place for place, size in enumerate(SIZES)}
        table["eigenvalue_1"] *= table["batch_size"].map(wave)
        found = curvature.exponent(table, "v", "eigenvalue_1")
        straight = curvature.exponent(sharpness(0.5), "v", "eigenvalue_1")
        assert straight.high - straight.low < 0.1
        assert found.high - found.low > 0.3

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
        assert curvature.stability_limit("sgd", 0.0) == 2
        assert curvature.stability_limit("sgd", 0.9) == pytest.approx(3.8)
        assert curvature.stability_limit("nesterov", 0.9) == pytest.approx(3.8 / 2.8)
        assert curvature.stability_limit("adam", 0.0) is None

    @pytest.mark.parametrize("momentum", [0.0, 0.9])
    @pytest.mark.parametrize("name", ["sgd", "nesterov"])
    def test_descent_on_a_parabola_diverges_just_beyond_it(
        self, name: str, momentum: float
    ) -> None:
        limit = curvature.stability_limit(name, momentum)
        assert limit is not None

        def end(rate: float) -> float:
            x, velocity = 1.0, 0.0
            for _ in range(2000):
                velocity = momentum * velocity + x  # torch's update with a curvature of 1
                x -= rate * (x + momentum * velocity if name == "nesterov" else velocity)
            return abs(x)

        assert end(0.98 * limit) < 1
        assert end(1.02 * limit) > 1


def gradients(exponent: float = -0.5, cosine: float = 0.95) -> pd.DataFrame:
    rows = [
        {"variant": "v", "batch_size": size, "moment": moment, "examples": m, "population": 2048,
         "relative_error": 5 * m**exponent * np.sqrt((2048 - m) / 2047),
         "cosine": cosine - (0.3 if moment == "end" and cosine < 0.9 else 0),
         "gradient_norm": 1.0, "noise_scale": 25.0, "noise_scale_low": 20, "noise_scale_high": 30}
        for size in SIZES for moment in ("early", "end") for m in 2 ** np.arange(11)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def wandering(exponent: float) -> pd.DataFrame:
    steps = np.array([1, 10, 50, 60, 70, 80, 90, 100])
    rows = [
        {"variant": "v", "batch_size": size, "lr": 0.1, "seed": seed, "step": step,
         "val_loss": np.exp(0.1 * size**exponent * (-1) ** place * (1 + 10 * JITTER[seed])),
         "train_loss": 1.0, "train_loss_sd": size**-0.5}
        for size in SIZES for seed in SEEDS for place, step in enumerate(steps)
    ]  # fmt: skip
    return pd.DataFrame(rows)


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
            found = noise.oscillation_exponent(table, "v", name)
            assert found.value == pytest.approx(expected)

    def test_two_late_evaluations_are_too_few(self) -> None:
        history = wandering(-0.4)
        assert noise.oscillation(history[history["step"].isin([1, 60, 100])]).empty


class TestEscape:
    def test_rates_follow_arrhenius(self) -> None:
        """Kramers 1940: escapes per step go as exp(-barrier / temperature), with the temperature
        rate x variance / (2 batch size) of noisy descent."""
        found = escape.escapes(0)
        some = found[(found["share"] > 0) & (found["share"] < 1)]
        slope = np.polyfit(some["batch_size"], np.log(some["escapes_per_step"]), 1)[0]
        expected = -2 * escape.barrier() / (escape.RATE * escape.SPREAD**2)
        assert slope == pytest.approx(expected, rel=0.15)

    def test_the_wells(self) -> None:
        top, bottom = escape.stationary()
        assert escape.slope(np.array([top, bottom])) == pytest.approx([0, 0], abs=1e-9)
        assert escape.height(np.array(-1.0)) < escape.height(np.array(bottom))

    def test_the_same_seed_gives_the_same_table(self) -> None:
        pd.testing.assert_frame_equal(escape.escapes(3), escape.escapes(3))


ESCAPES = pd.DataFrame({"batch_size": [1, 32], "share": [1.0, 0.0]})


def evidence(**tables: object) -> Evidence:
    nothing = pd.DataFrame()
    return Evidence("v", nothing, nothing, None, nothing, nothing, 1000, **tables)  # type: ignore[arg-type]


def verdict(claim: Claim) -> str:
    assert "nan" not in claim.finding.lower()
    return claim.verdict


class TestClaims:
    def test_what_was_not_measured_is_not_tested(self) -> None:
        for test in (
            claims_solutions.generalisation_gap, claims_solutions.sharp_minima,
            claims_solutions.small_batch_noise, claims_solutions.curvature_limits_lr,
            claims_solutions.gradient_sqrt, claims_solutions.few_are_enough,
        ):  # fmt: skip
            assert verdict(test(evidence(stability_limit=2.0))) == "not tested"

    @pytest.mark.parametrize(("loss", "expected"), [(0.05, "supported"), (0.0, "refuted")])
    def test_generalisation(self, loss: float, expected: str) -> None:
        found = claims_solutions.generalisation_gap(evidence(comparisons=compared(loss)))
        assert verdict(found) == expected

    def test_generalisation_may_depend_on_the_budget(self) -> None:
        losses = dict.fromkeys(COMPARISONS, 0.0) | {"equal epochs": 0.05}
        table = compared(losses)
        claim = claims_solutions.generalisation_gap(evidence(comparisons=table))
        assert claim.verdict == "mixed"
        assert "equal epochs: worse" in claim.finding

    @pytest.mark.parametrize(("exponent", "expected"), [(0.5, "supported"), (-0.2, "refuted")])
    def test_sharp_minima(self, exponent: float, expected: str) -> None:
        table = sharpness(exponent)
        assert verdict(claims_solutions.sharp_minima(evidence(sharpness=table))) == expected

    @pytest.mark.parametrize(("depth", "expected"), [(1.5, "supported"), (50.0, "mixed")])
    def test_sharpness_is_compared_at_like_losses_alone(self, depth: float, expected: str) -> None:
        table = sharpness(0.5)
        solutions = table.loc[table["point"] == "solution", [*PACK, "lr", "seed"]]
        is_last = solutions["batch_size"] == SIZES[-1]
        losses = solutions.assign(train_loss=np.where(is_last, 0.01 * depth, 0.01))
        claim = claims_solutions.sharp_minima(evidence(sharpness=table, scores=losses))
        assert verdict(claim) == expected
        assert f"between 0.01 and {0.01 * depth:.2g}" in claim.finding

    def test_measures_that_disagree_are_mixed(self) -> None:
        table = sharpness(0.5).assign(adaptive=1.0)
        assert verdict(claims_solutions.sharp_minima(evidence(sharpness=table))) == "mixed"

    @pytest.mark.parametrize(("exponent", "expected"), [(-0.4, "supported"), (0.4, "refuted")])
    def test_small_batch_noise(self, exponent: float, expected: str) -> None:
        table = noise.oscillation(wandering(exponent))
        found = claims_solutions.small_batch_noise(evidence(oscillation=table, escapes=ESCAPES))
        assert verdict(found) == expected

    @pytest.mark.parametrize(
        ("limit", "expected"), [(0.05, "supported"), (0.5, "mixed"), (50.0, "refuted")]
    )
    def test_curvature(self, limit: float, expected: str) -> None:
        tables = {"sharpness": sharpness(0.5), "stability_limit": limit}
        assert verdict(claims_solutions.curvature_limits_lr(evidence(**tables))) == expected

    def test_curvature_without_a_limit(self) -> None:
        found = claims_solutions.curvature_limits_lr(evidence(sharpness=sharpness(0.5)))
        assert found.verdict == "not tested"
        assert "optimizer" in found.finding

    @pytest.mark.parametrize(("exponent", "expected"), [(-0.51, "supported"), (-0.3, "refuted")])
    def test_gradient_sqrt(self, exponent: float, expected: str) -> None:
        found = claims_solutions.gradient_sqrt(evidence(noise=gradients(exponent)))
        assert verdict(found) == expected

    @pytest.mark.parametrize(
        ("cosine", "expected"), [(0.95, "supported"), (0.8, "refuted"), (0.5, "refuted")]
    )
    def test_few_are_enough(self, cosine: float, expected: str) -> None:
        found = claims_solutions.few_are_enough(evidence(noise=gradients(cosine=cosine)))
        assert verdict(found) == expected
