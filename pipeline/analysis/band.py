"""Would another target change the answer? Who may be the fastest over a band of targets."""

import pandas as pd

from pipeline.analysis.answer import Answer
from pipeline.analysis.recommendation import recommend
from pipeline.params.protocol import Limits
from pipeline.selection.keys import PACK

COLUMNS = (
    "seeds", "reached", "steps_to_target", "seconds_to_target", "seconds_to_target_low",
    "seconds_to_target_high", "probability_fastest", "regret", "may_be_fastest",
)  # fmt: skip


def table(answers: dict[float, Answer], limits: Limits) -> pd.DataFrame:
    """One row per target and pack: its steps, seconds, probability of being the fastest, and
    whether it would be recommended. From the same trainings: the rates stay those that won for the
    study's own target."""
    parts = []
    for target, answer in answers.items():
        rows = answer.tradeoff
        best = recommend(rows, limits).best
        chosen = pd.Series(False, index=rows.index)
        if best is not None:
            chosen[best.name] = True
        parts.append(rows[[*PACK, *COLUMNS]].assign(target=target, recommended=chosen))
    return pd.concat(parts, ignore_index=True)[["target", *PACK, *COLUMNS, "recommended"]]
