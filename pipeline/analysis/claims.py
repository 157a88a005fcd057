"""The ledger of claims: what people say about batch size, tested on this study.

Each claim is one function of the evidence; LEDGER lists them all.
"""

from collections.abc import Callable

import pandas as pd

from pipeline.analysis import (
    claims_machine,
    claims_solutions,
    claims_training,
    claims_variants,
)
from pipeline.analysis.claim import Claim, Evidence

LEDGER: tuple[Callable[[Evidence], Claim], ...] = (
    claims_machine.larger_faster,
    claims_machine.memory_linear,
    claims_machine.power_of_two,
    claims_machine.accumulate,
    claims_training.constant_product,
    claims_training.lr_window,
    claims_training.scaling_rule,
    claims_training.epoch_steps,
    claims_training.gradient_descent,
    claims_solutions.generalisation_gap,
    claims_solutions.sharp_minima,
    claims_solutions.small_batch_noise,
    claims_solutions.curvature_limits_lr,
    claims_solutions.gradient_sqrt,
    claims_solutions.few_are_enough,
    claims_variants.scaling_helps,
    claims_variants.batch_norm_helps,
    claims_variants.optimizers,
)


def ledger(evidence: Evidence) -> pd.DataFrame:
    """One row per claim."""
    rows = []
    for test in LEDGER:
        claim = test(evidence)
        found = claim.estimate
        rows.append(
            {
                "id": claim.id,
                "claim": claim.claim,
                "verdict": claim.verdict,
                "finding": claim.finding,
                "test": claim.test,
                "effect": claim.effect,
                "value": found.value,
                "low": found.low,
                "high": found.high,
                "n": found.n,
                "figure": claim.figure,
                "table": claim.table,
            }
        )
    return pd.DataFrame(rows)
