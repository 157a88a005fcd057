"""The recommendation in one sentence."""

import pandas as pd

from pipeline.analysis.study import Study
from pipeline.reporting.words import numbers


def headline(study: Study) -> str:
    """What to use, how long it takes, and what comes next; or why there is no answer."""
    advice = study.recommendation
    if advice.best is None:
        return f"No recommendation: {advice.reason}."
    best = advice.best
    sentence = (
        f"Use batch size {best['batch_size']:.0f} with learning rate {numbers.rate(best['lr'])}"
        f"{numbers.variant_of(best)}: it reaches {study.frame.target} in "
        f"{numbers.seconds(best['seconds_to_target'])} of training ({spread(best)})"
    )
    lead = study.lead
    if advice.runner_up is None or lead is None:
        return f"{sentence}."
    rival = f"{advice.runner_up['batch_size']:.0f}{numbers.variant_of(advice.runner_up)}"
    tie = ", no clear difference" if lead.low <= 1 <= lead.high else ""
    within = "" if pd.isna(lead.low) else f" ({lead.low:.2f} to {lead.high:.2f}{tie})"
    return (
        f"{sentence}; next is batch size {rival}, which takes {lead.value:.2f} times as "
        f"long{within}."
    )


def spread(best: pd.Series) -> str:
    """The interval of the time to target, or why there is none, and how many seeds arrive."""
    reached = f"{best['reached']:.0f} of {best['seeds']:.0f}"
    low, high = best["seconds_to_target_low"], best["seconds_to_target_high"]
    if pd.isna(low):
        return f"median, {reached} seeds reach it, so no interval"
    return f"95 % interval {numbers.interval(low, high, numbers.seconds)}, {reached} seeds"
