"""What a claim is: said first, then judged by one function of a study."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pipeline.analysis.study import Study
from pipeline.selection.statistics import UNKNOWN, Estimate

VERDICTS = ("supported", "refuted", "undecided", "not tested")
KINDS = ("claim", "check")
HOPELESS = 20
"""More than so many times the sample is no advice."""


@dataclass(frozen=True)
class Region:
    """The effects at which a claim holds, from ``low`` to ``high``; either may be infinite.

    step: how far apart effects are that a reader would call different. is_ratio: they are told
    apart by their logarithms, of which ``step`` is one, too.
    """

    low: float
    high: float
    step: float
    is_ratio: bool = False

    def scaled(self, value: float) -> float:
        """An effect on the scale on which regions and intervals are even."""
        return float(np.log(value)) if self.is_ratio else value

    def verdict(self, effect: Estimate) -> str:
        """Supported where the whole interval lies inside, refuted where all of it lies outside."""
        if effect.low >= self.low and effect.high <= self.high:
            return "supported"
        return "refuted" if effect.high < self.low or effect.low > self.high else "undecided"

    def needed(self, effect: Estimate, what: str) -> str:
        """How much larger a sample would decide, if the estimate stays where it is."""
        if not (np.isfinite(effect.low) and np.isfinite(effect.high)):
            return f"more {what}: {effect.n} give no interval"
        ends = [self.scaled(end) for end in (self.low, self.high) if 0 < abs(end) < np.inf]
        ends += [end for end in (self.low, self.high) if end == 0 and not self.is_ratio]
        away = min(abs(self.scaled(effect.value) - end) for end in ends)
        half = (self.scaled(effect.high) - self.scaled(effect.low)) / 2
        if half**2 > HOPELESS * away**2:
            return f"more than {HOPELESS} times as many {what}: the effect lies near the limit"
        return f"about {int(np.ceil(effect.n * (half / away) ** 2))} {what} instead of {effect.n}"


@dataclass(frozen=True)
class Outcome:
    """What a study says to a claim.

    finding: the answer in words, from the numbers. needs: what would decide it, where it is
    undecided. region: the effects that the verdict was read from; None where it is no interval
    that decides.
    """

    verdict: str
    effect: Estimate
    finding: str
    needs: str = ""
    region: Region | None = None

    def __post_init__(self) -> None:
        assert self.verdict in VERDICTS
        assert bool(self.needs) == (self.verdict == "undecided")


def untested(why: str, effect: Estimate = UNKNOWN) -> Outcome:
    """The outcome where a study cannot tell."""
    return Outcome("not tested", effect, why)


def untested_of_raced(study: Study) -> Outcome | None:
    """The outcome of what takes whole trainings at all rates where some were stopped, else None."""
    if study.raced.empty:
        return None
    if study.is_outside:
        return untested("Some runs end before others of their batch size.")
    return untested(
        "Trainings were stopped once they could not change the answer: `grid.race=false` trains "
        "all rates to the end."
    )


def judged(effect: Estimate, region: Region, what: str, finding: str) -> Outcome:
    """The outcome that an effect and its region give; what: of what the effect has ``n``."""
    verdict = region.verdict(effect)
    needs = region.needed(effect, what) if verdict == "undecided" else ""
    return Outcome(verdict, effect, finding, needs, region)


def measured(value: float, n: int, holds: bool, finding: str) -> Outcome:
    """The outcome of a comparison without an interval."""
    verdict = "supported" if holds else "refuted"
    return Outcome(verdict, Estimate(value, np.nan, np.nan, n), finding)


def exponent_words(exponent: Estimate) -> str:
    """An exponent of the batch size with its interval, where it has one."""
    if not np.isfinite([exponent.low, exponent.high]).all():
        return f"{exponent.value:.2f} (no interval, n = {exponent.n} batch sizes)"
    return (
        f"{exponent.value:.2f} ({exponent.low:.2f} to {exponent.high:.2f}, n = {exponent.n} batch "
        "sizes)"
    )


Judge = Callable[[Study], Outcome]


@dataclass(frozen=True)
class Claim:
    """One line of the ledger.

    statement: what people say; test: what decides; effect: what is estimated, in words; figure,
    table: where the numbers can be seen. kind: a ``check`` is true by construction, and shown to
    be; it is not counted.
    """

    id: str
    statement: str
    test: str
    effect: str
    figure: str
    table: str
    kind: str
    judge: Judge


CLAIMS: list[Claim] = []
"""All claims of the modules that were imported."""


def claim(
    id: str, statement: str, *, test: str, effect: str, figure: str, table: str, kind: str = "claim"
) -> Callable[[Judge], Judge]:
    """Put the decorated function into the ledger, under what it decides."""
    assert kind in KINDS

    def entered(judge: Judge) -> Judge:
        CLAIMS.append(Claim(id, statement, test, effect, figure, table, kind, judge))
        return judge

    return entered
