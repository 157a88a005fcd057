"""What a claim is: said first, then judged by one function of a study."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from pipeline.analysis.study import Study
from pipeline.selection.statistics import UNKNOWN, Estimate

VERDICTS = ("supported", "refuted", "mixed", "not tested")


@dataclass(frozen=True)
class Outcome:
    """What a study says to a claim; ``finding`` is the answer in words, from the numbers."""

    verdict: str
    effect: Estimate
    finding: str

    def __post_init__(self) -> None:
        assert self.verdict in VERDICTS


def untested(why: str, effect: Estimate = UNKNOWN) -> Outcome:
    """The outcome where a study cannot tell."""
    return Outcome("not tested", effect, why)


Judge = Callable[[Study], Outcome]


@dataclass(frozen=True)
class Claim:
    """One line of the ledger.

    statement: what people say; test: what decides; effect: what is estimated, in words; figure,
    table: where the numbers can be seen.
    """

    id: str
    statement: str
    test: str
    effect: str
    figure: str
    table: str
    judge: Judge


CLAIMS: list[Claim] = []
"""All claims of the modules that were imported."""


def claim(
    id: str, statement: str, *, test: str, effect: str, figure: str, table: str
) -> Callable[[Judge], Judge]:
    """Put the decorated function into the ledger, under what it decides."""

    def entered(judge: Judge) -> Judge:
        CLAIMS.append(Claim(id, statement, test, effect, figure, table, judge))
        return judge

    return entered


def interval_verdict(effect: Estimate, above: float, below: float) -> str:
    """Supported where the interval lies above one bound, refuted where below the other."""
    if effect.low > above:
        return "supported"
    return "refuted" if effect.high < below else "mixed"


def share_verdict(holds: Iterable[bool]) -> str:
    """Supported where it holds in every case, refuted where in none; of at least one case."""
    cases = [bool(case) for case in holds]
    return "supported" if all(cases) else "mixed" if any(cases) else "refuted"
