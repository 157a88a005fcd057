"""What stands beside the recommendation: its rates, its score, other targets, rival rules."""

import pandas as pd

from pipeline.analysis import contest, foretold
from pipeline.analysis.recommendation import is_not_worse
from pipeline.analysis.study import Study
from pipeline.reporting.words import numbers
from pipeline.selection.keys import PACK, rows_of

ROUNDING = 1e-9
"""Equal scores differ by no more."""


def joined(*sentences: str) -> str:
    """The sentences that are not empty, as one text."""
    return " ".join(sentence for sentence in sentences if sentence)


def comparison(study: Study) -> str:
    """What else to know of the recommendation: other rates, its score, other targets, the rules of
    thumb; nothing where there is none."""
    best = study.recommendation.best
    if best is None:
        return ""
    return joined(
        more_seeds_words(study),
        window_words(study, best),
        score_words(study, best),
        band_words(study, best),
        rivals_words(study, best),
    )


def more_seeds_words(study: Study) -> str:
    """What more fresh seeds would make of batch sizes that are not told apart."""
    made = study.foretold
    if made is None:
        return ""
    now, key = study.params.confirm.seeds, f"`limits.indifference={foretold.INDIFFERENCE:g}`"
    seeds = f"{now * contest.TIMES_SEEDS} fresh seeds instead of {now} ({key})"
    if made.with_seeds is None:
        return f"Up to {seeds} would probably tell apart what is not told apart."
    if made.by_seeds and made.with_seeds < study.dearest:
        cost = numbers.more(made.with_seeds)
        return (
            f"With up to {seeds} what is not told apart would cost at most about {cost}, if the "
            "timings then scatter as these do."
        )
    cause = "" if made.by_seeds else ", for it is the seconds of a step that are not known better"
    return f"Up to {seeds} would do little for what is not told apart{cause}."


def window_words(study: Study, best: pd.Series) -> str:
    """Which other rates would do at the recommended batch size."""
    window = rows_of(study.windows, best["variant"], best["batch_size"]).iloc[0]
    place = f"batch size {best['batch_size']:.0f}{numbers.variant_of(best)}"
    if window["lowest"] == window["highest"]:
        return f"No other rate of the grid reaches the target at {place} with most seeds."
    return (
        f"At {place} rates from {numbers.rate(window['lowest'])} to "
        f"{numbers.rate(window['highest'])} reach the target with most seeds."
    )


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


def band_words(study: Study, best: pd.Series) -> str:
    """At how many targets of the band the batch size is not shown to be slower, and what would be
    recommended there."""
    band = study.band
    easy, hard, total = band["target"].iloc[0], band["target"].iloc[-1], band["target"].nunique()
    same = rows_of(band, best["variant"], best["batch_size"])["may_be_fastest"].sum()
    chosen = band[band["recommended"]].groupby(PACK, sort=False).size()
    names = [
        f"{numbers.batch_size(size, study.frame.examples)}{numbers.of_variant(variant)} at {count}"
        for (variant, size), count in chosen.sort_values(ascending=False, kind="stable").items()
    ]
    none = total - int(chosen.sum())
    if none:
        names.append(f"nothing at {none}")
    return (
        f"At {same} of {total} targets from {easy:.4g} to {hard:.4g} it is not shown to be slower "
        f"than another; recommended would be {', '.join(names)}."
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
