"""The report tells the truth about studies of every shape, and its bytes do not wander."""

from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from makers.reports import SHAPES, cached, fresh, pages
from pipeline.analysis.claims.ledger import ledger
from pipeline.analysis.study import Study, tables
from pipeline.params.protocol import Limits, Target
from pipeline.reporting.content import content_of


@pytest.mark.parametrize(
    "shape", [SHAPES[0], *(pytest.param(shape, marks=pytest.mark.slow) for shape in SHAPES[1:])]
)
def test_studies_of_every_shape_get_a_report(shape: tuple[object, ...]) -> None:
    html, markdown = pages(cached(*shape))
    assert "Use batch size" in markdown
    for words in (html, markdown):
        assert "nan" not in words.lower().replace("finance", "")
        assert "inf " not in words


def test_variants_stand_side_by_side() -> None:
    study = cached((4, 16), (0.1, 1.0), 3, variants=("baseline", "adam"))
    assert "variant" in content_of(study).summary
    assert set(study.tradeoff["variant"]) == {"baseline", "adam"}
    pages(study)


def test_impossible_limits_are_named() -> None:
    study = cached((4, 16), (0.1, 1.0), 3, limits=Limits(memory_gb=1e-9))
    said = "No recommendation: every batch size fails: limits.memory_gb."
    assert content_of(study).headline == said
    assert said in pages(study)[0]


def test_timings_that_contradict_each_other_are_no_recommendation() -> None:
    study = cached((4, 16), (0.1, 1.0), 3)
    fooled = study.measured.throughput.assign(later_over_earlier=[1.0, 1 / 135])
    fooled_study = Study(study.params, replace(study.measured, throughput=fooled))
    content = content_of(fooled_study)
    said = "No recommendation: every batch size fails: timings that contradict each other."
    assert content.headline == said
    assert "`dvc repro -f throughput`" in content.warnings[0]
    assert not fooled_study.band["recommended"].any()
    assert said in pages(fooled_study)[1]


def test_a_target_that_nobody_reached_is_no_recommendation() -> None:
    study = cached((4, 16), (0.01, 0.1), 3)
    content = content_of(study)
    assert content.headline == "No recommendation: every batch size fails: misses the target."
    assert "No batch size reached the target." in pages(study)[1]
    assert "`target.value`" in content.warnings[0]


def test_a_study_that_diverged_everywhere_but_once() -> None:
    study = cached((4, 16), (0.1, 1.0), 3, diverging=1.0)
    said = "No recommendation: every batch size fails: misses the target."
    assert content_of(study).headline == said
    assert "diverged" in pages(study)[1]


@pytest.mark.slow
def test_scores_stay_scores_where_the_target_is_a_loss() -> None:
    study = cached((4, 16), (0.1, 1.0, 10.0), 3)
    selection = study.measured.selection.assign(metric="val_loss", target=0.25)
    study = Study(
        replace(study.params, target=Target("val_loss", 0.25)),
        replace(study.measured, selection=selection),
    )
    rates = study.rates
    assert rates.loc[rates["diverged"] == 0, "median_score"].between(0.7, 1).all()
    heatmaps = content_of(study).heatmaps["score_heatmap"]
    assert "best score 0.8" in heatmaps[0].rows[1][1][0].tip


def with_tables(study: Study, **tables: object) -> Study:
    """The same study with other tables."""
    return Study(study.params, replace(study.measured, **tables))  # type: ignore[arg-type]


@pytest.mark.slow
def test_a_target_in_the_floor_is_reached_at_once_by_all() -> None:
    study = cached((4, 16, 64), (0.1, 1.0, 10.0), 3)
    easy = with_tables(study, selection=study.measured.selection.assign(target=0.05))
    assert set(easy.tradeoff["steps_to_target"]) == {1.0}
    assert "Use batch size 4 " in content_of(easy).headline
    assert "nan" not in pages(easy)[1]


@pytest.mark.slow
def test_two_validation_examples_make_a_wide_band() -> None:
    study = cached((4, 16, 64), (0.1, 1.0, 10.0), 3)
    examples = {"train": 64, "val": 2, "test": 32}
    few = with_tables(study, data={**study.measured.data, "examples": examples})
    assert few.band["target"].nunique() == 9
    assert "Use batch size" in content_of(few).headline
    assert "nan" not in pages(few)[1]


@pytest.mark.slow
def test_a_regression_speaks_of_r_squared() -> None:
    study = cached((4, 16, 64), (0.1, 1.0, 10.0), 3)
    measured = study.measured
    errors = {
        name: 0.1 + 0.05 * np.random.default_rng(0).exponential(size=hits.shape).astype(np.float32)
        for name, hits in measured.outcomes.items()
    }
    evaluation = measured.evaluation.assign(test_loss=0.2, test_score=0.8, test_rmse=4.5)
    data = {**measured.data, "task": "regression", "target": "price"}
    other = with_tables(study, data=data, evaluation=evaluation, outcomes=errors)
    row = other.tradeoff.iloc[0]
    assert row["test_score_low"] < row["test_score"] < row["test_score_high"] < 1
    assert "R²" in pages(other)[1]
    assert "nan" not in pages(other)[1]


def test_equal_scores_rule_nothing_out() -> None:
    study = cached((4, 16, 64), (0.1, 1.0, 10.0), 3)
    same = {name: np.ones_like(hits) for name, hits in study.measured.outcomes.items()}
    equal = with_tables(study, outcomes=same)
    assert (equal.tradeoff["score_difference"] == 0).all()
    assert equal.recommendation.passed_over is None
    assert "No setting has a higher mean test accuracy" in content_of(equal).comparison


def test_one_rate_cannot_tell_what_other_rates_do() -> None:
    claims = ledger(cached((4, 16), (1.0,), 3)).set_index("id")
    assert claims.loc["lr-window", "verdict"] == "not tested"


def test_an_edge_is_confessed() -> None:
    three, two = (content_of(cached((4,), (0.1, 1.0), seeds)) for seeds in (3, 2))
    assert any("edge of the grid" in said for said in three.warnings)
    assert any("luck" in said for said in two.warnings)


@pytest.mark.slow
def test_the_same_tables_give_the_same_bytes() -> None:
    first, again = (pages(fresh((4, 16), (0.1, 10.0, 1.0), 3)) for _ in range(2))
    assert first == again


@pytest.mark.slow
def test_the_order_of_rows_does_not_matter() -> None:
    study = cached((4, 16, 64), (0.01, 0.1, 1.0, 10.0), 3)
    names = ("history", "lanes", "confirmed", "confirmed_lanes", "evaluation")
    shuffled = {
        name: getattr(study.measured, name).sample(frac=1, random_state=7, ignore_index=True)
        for name in names
    }
    mixed = Study(study.params, replace(study.measured, **shuffled))
    content, again = content_of(study), content_of(mixed)
    assert content.headline == again.headline
    pd.testing.assert_frame_equal(content.summary, again.summary)
    pd.testing.assert_frame_equal(content.claims, again.claims)
    for name in ("tradeoff", "rates", "budgets", "critical", "windows", "targets"):
        pd.testing.assert_frame_equal(tables(study)[name], tables(mixed)[name])


class Links(HTMLParser):
    """Collects what a page refers to, and images without alternative text."""

    def __init__(self) -> None:
        super().__init__()
        self.references: list[str] = []
        self.silent_images = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.references += [str(values[name]) for name in ("src", "href") if name in values]
        self.silent_images += tag == "img" and not values.get("alt")


def test_the_page_needs_no_network_and_speaks_for_its_images() -> None:
    links = Links()
    links.feed(pages(cached((4, 16), (0.1, 1.0), 3))[0])
    assert links.silent_images == 0
    assert all(
        ref.startswith(("data:", "tables/", "#")) or ref == "claims.csv" for ref in links.references
    )
