"""Run the project's own analysis where the right answer is known.

    python -m pipeline.selfcheck [--studies 20] [--picture FILE]

1. The closed form of the noisy quadratic model gives the steps of an independent computation.
2. Studies of a smaller one, simulated with the default grid of rates, find rates near the best: of
   all batch sizes and studies the chosen rate takes at most 5 % more steps on average.
3. Of their intervals of the critical batch size at least 18 in 20 hold that of the closed form.
4. Where curvature is the same everywhere, batch size x steps is constant, and the claim says so.

Ends with exit status 1 if one of them fails.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from pipeline.analysis import critical
from pipeline.analysis.claims import training
from pipeline.analysis.critical import Critical
from pipeline.analysis.frame import Frame
from pipeline.analysis.measurements import Measurements
from pipeline.analysis.study import Study
from pipeline.executors.processes import OnDone, in_processes
from pipeline.host import available_cores
from pipeline.params.load import Params
from pipeline.reporting.figures import drawing
from pipeline.reporting.figures.axes import STYLE, plain_log
from pipeline.selection import targets
from pipeline.selfcheck import protocol
from pipeline.selfcheck.protocol import SIZES, Outcome
from pipeline.selfcheck.quadratic import Floats, Quadratic, isotropic_losses
from pipeline.workspace.progress import progress

KNOWN_STEPS = {
    1: 6_025_442, 4: 1_507_549, 16: 378_200, 64: 96_000, 256: 25_826, 1024: 10_407,
    4096: 7_839, 16384: 7_346, 65536: 7_239,
}  # fmt: skip
"""Fewest steps to loss 0.01 with curvatures 1/i, i = 1 ... 10,000, over 160 rates."""
TOLERANCE = 0.02
LARGE = Quadratic(1 / np.arange(1, 10_001.0), 0.01)
EXCESS = 0.05
HELD = 0.9
NOISE = 2000.0


@dataclass(frozen=True)
class Check:
    """Whether an answer agrees with the known one, and both in words."""

    name: str
    passed: bool
    words: str


def closed_form() -> Check:
    """The steps of the large model against the known ones."""
    rates = np.geomspace(1e-5, 1.999, 160)
    off = {size: LARGE.best(size, rates)[0] / known - 1 for size, known in KNOWN_STEPS.items()}
    worst = max(off, key=lambda size: abs(off[size]))
    return Check(
        "closed form", abs(off[worst]) <= TOLERANCE,
        f"steps to target at {len(off)} batch sizes differ from the known by at most "
        f"{abs(off[worst]):.2%} (batch size {worst})",
    )  # fmt: skip


def studies(count: int) -> list[Outcome]:
    """Whole studies, dealt to the cores."""
    shares = min(count, available_cores())

    def some(place: int, on_done: OnDone) -> list[Outcome]:
        done = []
        for number in range(place, count, shares):
            done.append(protocol.study(number))
            on_done(1)
        return done

    with progress("selfcheck", count, "run") as on_done:
        dealt = in_processes([partial(some, place) for place in range(shares)], on_done)
    return [dealt[number % shares][number // shares] for number in range(count)]


def fitted(runs: critical.Runs) -> Critical:
    """The fit, which these runs always allow."""
    fit = critical.fit(runs)
    assert fit is not None
    return fit


def exact(steps: Floats, spread: Sequence[float] = (1.0,)) -> critical.Runs:
    """Known steps at SIZES as one training each, or as several that take so many times as long."""
    steps = np.outer(spread, steps).ravel()
    sizes = np.tile(np.array(SIZES, dtype=float), len(spread))
    seeds = np.repeat(np.arange(len(spread)), len(SIZES))
    return critical.Runs(sizes, steps, np.zeros(len(steps), dtype=bool), seeds)


def known_curve() -> tuple[Floats, float]:
    """The closed form's steps at SIZES, and the critical batch size fitted to them."""
    steps = np.array([protocol.fewest(size) for size in SIZES])
    return steps, fitted(exact(steps)).curve.critical


def rates(outcomes: Sequence[Outcome]) -> Check:
    """The expected steps at the chosen rates over those at the best rates."""
    excess = np.array([list(outcome.excess.values()) for outcome in outcomes])
    return Check(
        "rates", bool(excess.mean() <= EXCESS),
        f"the chosen rates take {excess.mean():.1%} more steps than the best ones (n = "
        f"{excess.size}; 9 in 10 at most {np.quantile(excess, 0.9):.1%} more)",
    )  # fmt: skip


def critical_sizes(outcomes: Sequence[Outcome], truth: float) -> Check:
    """The simulated critical batch sizes against the closed form's."""
    fits = [outcome.fit for outcome in outcomes]
    held = sum(fit.low <= truth <= fit.high for fit in fits)
    middle = float(np.median([fit.curve.critical for fit in fits]))
    return Check(
        "critical batch size", held >= HELD * len(fits),
        f"{held} of {len(fits)} intervals hold the closed form's {truth:.1f}; the median study "
        f"says {middle:.1f}",
    )  # fmt: skip


def isotropic() -> Check:
    """Equal curvatures: the product of batch size and steps must be found constant."""
    evaluations = np.unique(np.round(np.geomspace(1, 200_000, 4000)))
    steps = np.array(
        [
            targets.crossing(evaluations, -isotropic_losses(size, NOISE, evaluations), -0.005)
            for size in SIZES
        ]
    )
    frame = Frame(1, "score", "a loss of 0.005", ("baseline",))
    study = Study(Params(), Measurements()).with_known(
        frame=frame,
        overheads=critical.overheads(exact(steps, (0.99, 1.0, 1.01)).means, 0),
    )
    outcome = training.constant_product(study)
    return Check("constant product", outcome.verdict == "supported", outcome.finding)


def picture(outcome: Outcome, known: Floats, truth: float) -> Figure:
    """A study's simulated steps, the fit, and the closed form."""
    runs, fit = outcome.runs, outcome.fit
    figure = Figure(figsize=(7.5, 4.2), layout="constrained")
    axis = figure.subplots()
    line = np.geomspace(SIZES[0], SIZES[-1], 200)
    axis.axvspan(fit.low, fit.high, color="0.9", zorder=0, linewidth=0)
    axis.axvline(truth, color="0.35", linestyle=":", zorder=1)
    axis.plot(runs.batch_size, runs.steps, "o", alpha=0.5, label="simulated seeds")
    axis.plot(SIZES, known, "k_", markersize=14, label="closed form")
    axis.plot(line, fit.curve.steps(line), color="0.4", label="fit: S_min + E_min / B")
    axis.set_xscale("log", base=2)
    axis.set_xticks(SIZES, [str(size) for size in SIZES])
    plain_log(axis)
    axis.set_xlabel("batch size")
    axis.set_ylabel("steps to target")
    axis.set_title("Noisy quadratic model, 100 directions", loc="left")
    axis.legend(frameon=False)
    return figure


def main() -> None:
    """Run the checks, print each, write the picture."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--studies", type=int, default=20, help="how many to simulate")
    parser.add_argument("--picture", default="selfcheck.png", help="where to draw the simulation")
    options = parser.parse_args()
    outcomes = studies(options.studies)
    known, truth = known_curve()
    checks = [closed_form(), rates(outcomes), critical_sizes(outcomes, truth), isotropic()]
    for check in checks:
        print(f"{'passed' if check.passed else 'FAILED'}  {check.name}: {check.words}")
    with mpl.rc_context(STYLE), open(options.picture, "wb") as file:
        file.write(drawing.drawn(picture(outcomes[0], known, truth))["png"])
    print(f"Picture: {options.picture}")
    sys.exit(0 if all(check.passed for check in checks) else 1)


if __name__ == "__main__":
    main()
