"""What the report says in sentences."""

import re
from dataclasses import replace

import pandas as pd

from makers.reports import cached
from makers.study import study_of
from pipeline.analysis.recommendation import Recommendation
from pipeline.params.protocol import Limits, Target
from pipeline.reporting.words import advice, overview
from pipeline.reporting.words.headline import headline
from pipeline.selection.statistics import Estimate


def test_the_headline_says_what_a_reader_needs() -> None:
    said = headline(cached((4, 16, 64), (0.1, 1.0, 10.0), 3))
    for words in ("batch size 4", "learning rate 1", "accuracy of 0.79", "95 % interval", "3 of 3"):
        assert words in said


def test_the_price_of_both_neighbours_is_told() -> None:
    study = cached((4, 16, 64), (0.1, 1.0, 10.0), 3, limits=Limits(memory_gb=1e9))
    seconds = study.tradeoff.set_index("batch_size")["seconds_to_target"]
    said = advice.comparison(study)
    ratio = seconds[16] / seconds[4]
    assert f"Its neighbours on the grid: 16, {ratio:.2f} times as long." in said
    assert said.startswith("No other rate of the grid reaches the target")


def test_the_runner_up_comes_with_its_interval() -> None:
    best = pd.Series(
        {"variant": "baseline", "batch_size": 8, "lr": 0.1, "seconds_to_target": 1.0, "reached": 3,
         "seeds": 3, "seconds_to_target_low": 0.9, "seconds_to_target_high": 1.1}
    )  # fmt: skip
    other = best.copy()
    other["batch_size"] = 16
    for low, tie in ((0.9, ", no clear difference"), (1.05, "")):
        study = study_of(
            recommendation=Recommendation(best, other, ""), lead=Estimate(1.2, low, 1.5, 3)
        )
        assert headline(study).endswith(
            f"next is batch size 16, which takes 1.20 times as long ({low:.2f} to 1.50{tie})."
        )


def test_the_page_says_where_the_target_comes_from() -> None:
    study = study_of()
    assert "eased by one standard error" in overview.origin(study)
    params = replace(study.params, target=Target("val_score", 0.9))
    fixed = replace(study, params=params).with_known(frame=study.frame)
    said = "The target, a validation accuracy of 0.9, was set (`target.value`)."
    assert overview.origin(fixed) == said


def test_variants_are_told_by_what_they_change() -> None:
    params = study_of(("baseline", "adam")).params
    settings = {"baseline": {}, "adam": {"optimizer": {"name": "adam"}, "scaling": "none"}}
    said = overview.variant_facts(replace(params, variants=settings))["variants"]
    assert said == "baseline: as below; adam: optimizer.name=adam, scaling=none"


def test_no_sentence_shows_a_missing_number() -> None:
    for rates in ((0.1, 1.0, 10.0), (0.01, 0.1)):
        study = cached((4, 16), rates, 3)
        for said in (headline(study), advice.comparison(study), advice.sensitivity(study)):
            assert not re.search(r"\b(nan|inf|None)\b", said)
