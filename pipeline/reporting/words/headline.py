"""The recommendation in three sentences at most."""

import pandas as pd

from pipeline.analysis.study import Study
from pipeline.reporting.words import numbers
from pipeline.selection.keys import rows_of


def headline(study: Study) -> str:
    """What to use and how long it takes, what would do as well, what was passed over; or why there
    is no answer."""
    advice = study.recommendation
    if advice.best is None and study.tradeoff["seconds_per_step"].isna().all():
        return without_seconds(study)
    if advice.best is None:
        return f"No recommendation: {advice.reason}."
    best = advice.best
    use = (
        f"Use batch size {best['batch_size']:.0f} with learning rate {numbers.rate(best['lr'])}"
        f"{numbers.variant_of(best)}: it reaches {study.frame.target} in "
        f"{numbers.seconds(best['seconds_to_target'])} of training ({spread(best)})."
    )
    return " ".join(
        words for words in (use, equals_words(study), passed_over_words(study)) if words
    )


def without_seconds(study: Study) -> str:
    """What steps alone tell: which batch size takes the fewest examples, and which the fewest
    steps."""
    done = study.tradeoff.dropna(subset=["steps_to_target"])
    if done.empty:
        return f"No recommendation: no batch size reaches {study.frame.target}."
    thrifty = done.loc[done["examples_to_target"].idxmin()]
    quick = done.loc[done["steps_to_target"].idxmin()]
    fit = study.critical
    critical = (
        ""
        if fit is None or not fit.is_bounded
        else f" The critical batch size is {numbers.number(fit.curve.critical)} (95 % interval "
        f"{numbers.interval(fit.low, fit.high)}): well below it twice the batch takes half the "
        "steps, well above it no fewer."
    )
    return (
        f"Without seconds per step no batch size is the fastest. To {study.frame.target} "
        f"{numbers.setting(thrifty, study.frame)} takes the fewest examples "
        f"({numbers.number(thrifty['examples_to_target'])}), "
        f"{numbers.setting(quick, study.frame)} the fewest steps "
        f"({numbers.number(quick['steps_to_target'])}).{critical}"
    )


def spread(best: pd.Series) -> str:
    """The interval of the time to target, or why there is none, and how many seeds arrive."""
    reached = f"{best['reached']:.0f} of {best['seeds']:.0f} seeds"
    low, high = best["seconds_to_target_low"], best["seconds_to_target_high"]
    if pd.isna(low):
        return f"no interval, {reached}"
    return f"95 % interval {numbers.interval(low, high, numbers.seconds)}, {reached}"


def equals_words(study: Study) -> str:
    """What is not shown to be slower and what it costs at most, or what the next one costs."""
    advice = study.recommendation
    assert advice.best is not None
    if pd.isna(advice.best["probability_fastest"]):
        return "How far seeds scatter is not known, so nothing tells batch sizes apart."
    if len(study.equals):
        return f"{equals_named(study)} at most {numbers.more(study.dearest)} (95 %)."
    if advice.runner_up is None:
        return ""
    price = study.prices[advice.runner_up.name]
    within = "" if pd.isna(price.low) else f" ({price.low:.2f} to {price.high:.2f})"
    size = f"{advice.runner_up['batch_size']:.0f}{numbers.variant_of(advice.runner_up)}"
    return f"Next is batch size {size}, which takes {price.value:.2f} times as long{within}."


def equals_named(study: Study) -> str:
    """A range of batch sizes where they are neighbours on the grid, a list where they are not."""
    best, equals = study.recommendation.best, study.equals
    assert best is not None
    grid = sorted(rows_of(study.tradeoff, best["variant"])["batch_size"])
    sizes = sorted([*equals["batch_size"], best["batch_size"]])
    places = [grid.index(size) for size in sizes]
    is_range = places == list(range(places[0], places[-1] + 1))
    if len(equals) > 1 and is_range and set(equals["variant"]) == {best["variant"]}:
        return f"Anything from {sizes[0]} to {sizes[-1]} costs"
    names = [f"{row['batch_size']}{numbers.variant_of(row)}" for _, row in equals.iterrows()]
    listed = ", ".join(names[:-1]) + " and " * (len(names) > 1) + names[-1]
    return f"Not shown to be slower: {listed}, which cost{'s' * (len(names) == 1)}"


def passed_over_words(study: Study) -> str:
    """What would have been recommended but for its test score."""
    row = study.recommendation.passed_over
    if row is None:
        return ""
    low, high = -row["score_difference_high"], -row["score_difference_low"]
    return (
        f"Batch size {row['batch_size']:.0f}{numbers.variant_of(row)} takes "
        f"{study.prices[row.name].value:.2f} times as long and was passed over: its test "
        f"{study.frame.score_name} is lower by {numbers.interval(low, high)} than the best, more "
        f"than the margin of {numbers.number(study.params.limits.score_margin)}."
    )
