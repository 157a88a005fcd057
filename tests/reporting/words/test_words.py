"""What the report says in sentences."""

import re
from dataclasses import replace

import pandas as pd

from makers.reports import cached
from makers.study import study_of
from pipeline.analysis.foretold import Foretold
from pipeline.analysis.recommendation import Recommendation
from pipeline.params.protocol import Limits, Target
from pipeline.reporting.words import advice, overview
from pipeline.reporting.words.headline import headline
from pipeline.selection.statistics import Estimate
from pipeline.selection.targets import Lowered


def test_the_headline_says_what_a_reader_needs() -> None:
    told = headline(cached((4, 16, 64), (0.1, 1.0, 10.0), 3))
    for words in ("batch size 4", "learning rate 1", "accuracy of 0.79", "95 % interval", "3 of 3"):
        assert words in told


def row(**values: object) -> pd.Series:
    """A row of the tradeoff."""
    base = {"variant": "baseline", "batch_size": 8, "lr": 0.1, "seconds_to_target": 1.0,
            "reached": 3, "seeds": 3, "seconds_to_target_low": 0.9, "seconds_to_target_high": 1.1,
            "score_difference_low": -0.05, "score_difference_high": -0.02,
            "probability_fastest": 0.9}  # fmt: skip
    return pd.Series(base | values, name=values.get("batch_size", 8))


def said(equals: list[int], dearest: float = 1.2, passed: int | None = None) -> str:
    """The headline for 8 of 4, 8, 16, 32, of which some are not shown to be slower."""
    sizes = [4, 8, 16, 32]
    table = pd.DataFrame([row(batch_size=size) for size in sizes])
    advice = Recommendation(
        row(), row(batch_size=16), "", None if passed is None else row(batch_size=passed)
    )
    prices = {size: Estimate(1.2, 1.05, 1.5, 100) for size in sizes}
    of_equals = table[table["batch_size"].isin(equals)]
    return headline(
        study_of(
            recommendation=advice, equals=of_equals, dearest=dearest, prices=prices, tradeoff=table
        )
    )


def test_a_range_that_is_not_slower_is_named_with_its_price() -> None:
    assert said([4, 16]).endswith("Anything from 4 to 16 costs at most 20 % more (95 %).")


def test_single_sizes_that_are_not_slower_are_listed() -> None:
    assert said([16]).endswith("Not shown to be slower: 16, which costs at most 20 % more (95 %).")
    assert "Not shown to be slower: 4 and 32, which cost at most" in said([4, 32])


def test_a_decided_answer_names_the_next() -> None:
    end = "Next is batch size 16, which takes 1.20 times as long (1.05 to 1.50)."
    assert said([]).endswith(end)


def test_what_was_passed_over_is_named_with_its_reason() -> None:
    words = "Batch size 4 takes 1.20 times as long and was passed over: its test accuracy is lower"
    assert words in said([], passed=4)
    assert "0.0200 to 0.0500" in said([], passed=4)


def more_seeds(dearest: float, made: Foretold | None) -> str:
    """What more seeds are said to do where a choice may cost so much."""
    study = study_of(dearest=dearest, foretold=made)
    assert study.params.confirm.seeds == 5
    return advice.more_seeds_words(study)


def test_it_is_told_what_more_seeds_would_tell() -> None:
    seeds = "p to 40 fresh seeds instead of 5 (`limits.indifference=0.1`) "
    left = "what is not told apart would cost at most about 24 % more, if the timings then "
    left += "scatter as these do."
    assert more_seeds(1.57, Foretold(1.24, True)) == f"With u{seeds}{left}"
    told = "would probably tell apart what is not told apart."
    assert more_seeds(1.57, Foretold(None, True)) == f"U{seeds}{told}"
    little = "would do little for what is not told apart"
    cause = ", for it is the seconds of a step that are not known better."
    assert more_seeds(1.57, Foretold(1.5, False)) == f"U{seeds}{little}{cause}"
    assert more_seeds(1.1, Foretold(1.12, True)) == f"U{seeds}{little}."
    assert more_seeds(1.57, None) == ""


def test_more_seeds_are_foretold_where_they_can_be_added() -> None:
    shape = ((4, 8, 16, 64), (0.1, 1.0), 3)
    study = cached(*shape)
    assert len(study.equals)
    assert study.foretold
    for limits in (Limits(indifference=0.1), Limits(study_seconds=60.0)):
        settled = cached(*shape, limits=limits)
        assert len(settled.equals)
        assert settled.foretold is None


def test_nothing_is_foretold_where_what_may_be_faster_is_refused() -> None:
    """A contest would be about that one."""
    study = cached((4, 8, 16, 64), (0.1, 1.0), 3)
    table = study.tradeoff.assign(may_be_fastest=True, peak_bytes=[2**40, 1, 1, 1])
    params = replace(study.params, limits=Limits(memory_gb=1.0))
    limited = replace(study, params=params).with_known(tradeoff=table)
    assert limited.recommendation.best is not None
    assert limited.recommendation.best["batch_size"] == 8
    assert len(limited.equals)
    assert limited.foretold is None
    assert replace(study).with_known(tradeoff=table).foretold


def test_other_targets_are_told() -> None:
    words = advice.comparison(cached((4, 16, 64), (0.1, 1.0, 10.0), 3))
    assert "At 7 of 9 targets" in words  # the two hardest are reached by none


def test_the_page_says_where_the_target_comes_from() -> None:
    study = study_of()
    assert "eased by the standard error of a difference" in overview.origin(study)
    params = replace(study.params, target=Target("val_score", 0.9))
    fixed = replace(study, params=params).with_known(frame=study.frame)
    assert overview.origin(fixed) == (
        "The target, a validation accuracy of 0.9, was set (`target.value`)."
    )


def test_a_target_that_few_steps_drew_down_is_told() -> None:
    lanes = pd.DataFrame({"variant": "baseline", "batch_size": [4, 64], "steps": [5000, 300]})
    measured = {"lanes": lanes, "confirmed_lanes": lanes}
    (told,) = overview.on_the_target(study_of(measured=measured, lowered=Lowered(64, 4, 0.91)))
    assert told.startswith(
        "The target is low: batch size 64 gets no further in its 300 steps, while 4 comes to a "
        "validation accuracy of 0.910 in 5,000."
    )
    assert overview.on_the_target(study_of(lowered=None)) == []


def test_a_machine_that_changed_its_pace_is_told() -> None:
    def said(*changes: float) -> list[str]:
        later = {"later_over_earlier": [*changes, float("nan"), 9.0]}
        table = pd.DataFrame(later).assign(in_grid=[True] * (len(changes) + 1) + [False])
        return overview.on_the_passes(table)

    assert said(1.4, 0.7) == said() == []
    assert "a step took 1.60 to 2.60 times as long as before" in said(2.6, 1.6)[0]
    assert "a step took 0.500 to 1 times as long as before" in said(0.5, 1.0)[0]


def test_a_noisy_machine_is_told_with_what_it_leaves_of_ratios() -> None:
    study = cached((4, 16, 64), (0.1, 1.0, 10.0), 3)
    timed = study.measured.throughput.assign(noisy=True, ratio_error=0.03, later_over_earlier=1.0)
    noisy = replace(study, measured=replace(study.measured, throughput=timed))
    (told,) = [words for words in overview.warnings(noisy) if "noisy" in words]
    assert "3 of 3 times have quartiles more than 15 % apart" in told
    assert "the ratio of two has a standard error of 7 %" in told  # from run to run, too
    assert not any("noisy" in words for words in overview.warnings(study))


def test_variants_are_told_by_what_they_change() -> None:
    params = study_of(("baseline", "adam")).params
    settings = {"baseline": {}, "adam": {"optimizer": {"name": "adam"}, "scaling": "none"}}
    told = overview.variant_facts(replace(params, variants=settings))["variants"]
    assert told == "baseline: as below; adam: optimizer.name=adam, scaling=none"


def test_no_sentence_shows_a_missing_number() -> None:
    for rates in ((0.1, 1.0, 10.0), (0.01, 0.1)):
        study = cached((4, 16), rates, 3)
        for words in (headline(study), advice.comparison(study)):
            assert not re.search(r"\b(nan|inf|None)\b", words)
