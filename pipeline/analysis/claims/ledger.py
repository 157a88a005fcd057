"""The ledger of claims: what people say about batch size, tested on a study."""

import pandas as pd

from pipeline.analysis.claims import machine, solutions, training, variants
from pipeline.analysis.claims.claim import CLAIMS, Claim
from pipeline.analysis.study import Study

SUBJECTS = (machine, training, solutions, variants)


def in_order() -> list[Claim]:
    """All claims by subject, in the order of their files."""
    return [
        claim
        for subject in SUBJECTS
        for claim in CLAIMS
        if claim.judge.__module__ == subject.__name__
    ]


def ledger(study: Study) -> pd.DataFrame:
    """claims.csv: one row for each claim."""
    rows = []
    for claim in in_order():
        outcome = claim.judge(study)
        rows.append(
            {
                "id": claim.id,
                "claim": claim.statement,
                "verdict": outcome.verdict,
                "finding": outcome.finding,
                "test": claim.test,
                "effect": claim.effect,
                "value": outcome.effect.value,
                "low": outcome.effect.low,
                "high": outcome.effect.high,
                "n": outcome.effect.n,
                "figure": claim.figure,
                "table": claim.table,
            }
        )
    return pd.DataFrame(rows)
