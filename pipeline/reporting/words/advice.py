"""What stands beside the recommendation: its rates, neighbours, score, rival rules, other targets
and limits."""

import pandas as pd

from pipeline.analysis.recommendation import is_not_worse
from pipeline.analysis.study import Study
from pipeline.reporting.words import numbers
from pipeline.selection.keys import rows_of

ROUNDING = 1e-9
"""Equal scores differ by no more."""


def joined(*sentences: str) -> str:
    """The sentences that are not empty, as one text."""
    return " ".join(sentence for sentence in sentences if sentence)


def comparison(study: Study) -> str:
    """The recommendation beside its neighbours, the best score and the rules of thumb; nothing
    where there is none."""
    best = study.recommendation.best
    if best is None:
        return ""
    return joined(
        window_words(study, best),
        neighbours_words(study, best),
        score_words(study, best),
        rivals_words(study, best),
    )


def window_words(study: Study, best: pd.Series) -> str:
    """Which other rates would do at the recommended batch size."""
    window = rows_of(study.windows, best["variant"], best["batch_size"]).iloc[0]
    if window["lowest"] == window["highest"]:
        return "No other rate of the grid reaches the target at that batch size with most seeds."
    return (
        f"At that batch size rates from {numbers.rate(window['lowest'])} to "
        f"{numbers.rate(window['highest'])} reach the target with most seeds."
    )


def neighbours_words(study: Study, best: pd.Series) -> str:
    """What the next smaller and the next larger batch size of the grid cost."""
    rows = rows_of(study.tradeoff, best["variant"]).sort_values("batch_size")
    smaller = rows[rows["batch_size"] < best["batch_size"]].tail(1)
    larger = rows[rows["batch_size"] > best["batch_size"]].head(1)
    prices = [
        numbers.batch_size(row["batch_size"], study.frame.examples) + numbers.price(row, best)
        for _, row in pd.concat([smaller, larger]).iterrows()
    ]
    return f"Its neighbours on the grid: {'; '.join(prices)}." if prices else ""


def score_words(study: Study, best: pd.Series) -> str:
    """How the recommended batch size's score compares with the best one's."""
    difference, limits = best["score_difference"], study.params.limits
    if pd.isna(difference):
        return ""
    name = study.frame.score_name
    if abs(difference) < ROUNDING:
        return f"No setting has a higher mean test {name} at the end of the budget."
    margin = numbers.number(limits.score_margin)
    shown = (
        f"no worse than the margin of {margin}"
        if is_not_worse(best, limits)
        else f"not shown to be within the margin of {margin}"
    )
    within = numbers.interval(best["score_difference_low"], best["score_difference_high"])
    return (
        f"Trained to the end of the budget its test {name} differs from the highest by "
        f"{numbers.number(difference)} (95 % interval {within}, paired by seed): {shown}."
    )


def rivals_words(study: Study, best: pd.Series) -> str:
    """What the two rules of the literature would have chosen here, and at what price."""
    choices = []
    for rival in study.rivals:
        if rival.choice is not None:
            size = numbers.batch_size(rival.choice["batch_size"], study.frame.examples)
            price = numbers.price(rival.choice, best)
            choices.append(f"the {rival.rule} would be {size}{price}")
    return f"Rules of thumb: {'; '.join(choices)}." if choices else ""


def sensitivity(study: Study) -> str:
    """What other targets and stricter limits would make of the recommendation."""
    return joined(targets_words(study.other_targets), limits_words(study))


def targets_words(table: pd.DataFrame) -> str:
    """The other two targets in a sentence."""
    others = []
    for row in table[table["target"] != "as chosen"].itertuples():
        chosen = (
            "no batch size could be recommended"
            if pd.isna(row.recommended_batch_size)
            else f"batch size {row.recommended_batch_size:.0f} with learning rate "
            f"{numbers.rate(row.recommended_lr)}"
            f"{numbers.of_variant(row.recommended_variant)} would be recommended"
        )
        within = numbers.interval(row.critical_batch_size_low, row.critical_batch_size_high)
        size = f"{numbers.number(row.critical_batch_size)} ({within})"
        known = not pd.isna(row.critical_batch_size) and row.identified == "yes"
        fitted = f", with critical batch size {size}" if known else ""
        others.append(f"at {row.value:.4g} ({row.target}) {chosen}{fitted}")
    return f"With another target, from the same trainings: {'; '.join(others)}."


def limits_words(study: Study) -> str:
    """What stricter limits would leave; nothing where there is no recommendation."""
    if not study.stricter_limits:
        return ""
    score = study.frame.score_name
    shown = {
        "seconds": lambda bound: f"less than {numbers.seconds(bound)}",
        "memory_gb": lambda bound: f"less memory than {numbers.size(bound * 2**30)}",
        "score": lambda bound: f"a test {score} above {numbers.number(bound)}",
    }
    stricter = []
    for limit in study.stricter_limits:
        left = "nothing" if limit.choice is None else setting(limit.choice, study)
        stricter.append(f"{shown[limit.limit](limit.bound)} would leave {left}")
    return f"A limit of {'; '.join(stricter)}."


def setting(row: pd.Series, study: Study) -> str:
    """A batch size with its rate and variant, and how many seeds arrive if some do not."""
    some = (
        f", of which {row['reached']:.0f} of {row['seeds']:.0f} seeds reach the target"
        if row["reached"] < row["seeds"]
        else ""
    )
    size = numbers.batch_size(row["batch_size"], study.frame.examples)
    rate = numbers.rate(row["lr"])
    return f"batch size {size} with learning rate {rate}{numbers.variant_of(row)}{some}"
