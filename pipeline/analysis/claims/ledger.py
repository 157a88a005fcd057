"""The ledger of claims: what people say about batch size, tested on a study."""

import numpy as np
import pandas as pd

from pipeline.analysis.claims import adam, machine, solutions, training, variants
from pipeline.analysis.claims.claim import CLAIMS, Claim, Outcome, untested
from pipeline.analysis.study import Study

SUBJECTS = (machine, training, solutions, variants, adam)
OF_LANES = (
    "accumulate", "early_products", "equal_loss", "error_trends", "gradient_noise",
    "local_critical", "noise_scales", "power_of_two", "rate_finders", "sharpness",
)  # fmt: skip
"""Tables that only this project's own trainings fill."""


def in_order() -> list[Claim]:
    """All claims by subject, in the order of their files."""
    return [
        claim
        for subject in SUBJECTS
        for claim in CLAIMS
        if claim.judge.__module__ == subject.__name__
    ]


def ledger(study: Study) -> pd.DataFrame:
    """claims.csv: one row for each claim, and for each check after them."""
    rows = [row(claim, judged(claim, study)) for claim in in_order()]
    return pd.DataFrame(sorted(rows, key=lambda row: row["kind"] == "check"))


def judged(claim: Claim, study: Study) -> Outcome:
    """What a study says to a claim; where another program trained, whether it could at all: what
    its variants are is not known."""
    if study.is_outside and claim.judge.__module__ in (variants.__name__, adam.__name__):
        return untested("What another program's variants change is not known.")
    outcome = claim.judge(study)
    if not study.is_outside or outcome.verdict != "not tested":
        return outcome
    if claim.table in OF_LANES or claim.id.startswith("memory"):
        return untested("Only this project's own trainings (`trainer=lanes`) tell.")
    return outcome


def row(claim: Claim, outcome: Outcome) -> dict[str, object]:
    """A line: what is said, the verdict, and what it rests on. holds_from, holds_to: the effects
    at which the claim would hold; step: what a reader would call different, in logarithms where
    ``is_ratio``."""
    region = outcome.region
    bounds = (np.nan, np.nan, np.nan) if region is None else (region.low, region.high, region.step)
    return {
        "id": claim.id,
        "kind": claim.kind,
        "claim": claim.statement,
        "verdict": outcome.verdict,
        "finding": outcome.finding,
        "needs": outcome.needs,
        "test": claim.test,
        "effect": claim.effect,
        "value": outcome.effect.value,
        "low": outcome.effect.low,
        "high": outcome.effect.high,
        "n": outcome.effect.n,
        "holds_from": bounds[0],
        "holds_to": bounds[1],
        "step": bounds[2],
        "is_ratio": region is not None and region.is_ratio,
        "figure": claim.figure,
        "table": claim.table,
    }
