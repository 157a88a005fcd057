"""Run the project's own analysis where the right answer is known.

    python -m pipeline.selfcheck [--picture FILE]

1. The closed form of the noisy quadratic model gives the steps of an independent computation.
2. SGD simulated on a smaller one, its rates searched, its winners confirmed on fresh seeds and its
   steps fitted as in a study, gives the critical batch size of the closed form.
3. Where curvature is the same everywhere, batch size x steps is constant, and the claim says so.

Ends with exit status 1 if one of them fails.
"""

import argparse
import sys
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from pipeline.analysis import critical
from pipeline.analysis.claims import training
from pipeline.analysis.critical import Critical
from pipeline.analysis.frame import Frame
from pipeline.analysis.measurements import Measurements
from pipeline.analysis.study import Study
from pipeline.params.load import Params
from pipeline.reporting.figures import drawing
from pipeline.reporting.figures.axes import STYLE, plain_log
from pipeline.selection import targets, winners
from pipeline.selection.keys import CELL
from pipeline.selfcheck.quadratic import Floats, Quadratic, isotropic_losses

KNOWN_STEPS = {
    1: 6_025_442, 4: 1_507_549, 16: 378_200, 64: 96_000, 256: 25_826, 1024: 10_407,
    4096: 7_839, 16384: 7_346, 65536: 7_239,
}  # fmt: skip
"""Fewest steps to loss 0.01 with curvatures 1/i, i = 1 ... 10,000, over 160 rates."""
TOLERANCE = 0.02
LARGE = Quadratic(1 / np.arange(1, 10_001.0), 0.01)
SMALL = Quadratic(1 / np.arange(1, 101.0), 0.03)
SIZES = [2**k for k in range(11)]
RATES = np.geomspace(1e-3, 10, 17)
REPLICAS = 64
SCREEN, CONFIRM = range(3), range(1000, 1005)
BUDGET = 1.5
"""A training's budget over the fewest steps of the closed form."""
DENSITY = 1.04
"""The ratio of successive evaluation steps."""
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


def spaced(steps: int) -> list[int]:
    """Evaluation steps up to ``steps``, log-spaced."""
    count = int(np.log(steps) / np.log(DENSITY)) + 1
    return sorted({round(DENSITY**k) for k in range(count)} | {steps})


def trained(size: int, rates: Floats, seeds: range) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Lanes and history of simulated trainings, as the train stage writes them."""
    steps = int(BUDGET * SMALL.best(size, RATES)[0])
    evaluations = spaced(steps)
    lanes, history = [], []
    for seed in seeds:
        with np.errstate(over="ignore", invalid="ignore"):
            losses = SMALL.simulate(size, rates, evaluations, REPLICAS, seed)
        for lr, curve in zip(rates, losses, strict=True):
            key = {"variant": "baseline", "batch_size": size, "lr": lr, "seed": seed}
            lost = not curve[-1] < 1e3
            status = "diverged" if lost else "finished"
            best = np.nan if lost else curve.min()
            ended = {"status": status, "steps": steps, "best_val_loss": best}
            lanes.append(key | ended | {"best_val_score": np.nan})  # a quadratic has no score
            examples = [step * size for step in evaluations]
            columns = {"step": evaluations, "examples": examples, "val_loss": curve}
            history.append(pd.DataFrame({**key, **columns}))
    return pd.DataFrame(lanes), pd.concat(history, ignore_index=True)


def together(parts: list[tuple[pd.DataFrame, pd.DataFrame]]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Lanes and history of several packs."""
    lanes, history = zip(*parts, strict=True)
    return pd.concat(lanes, ignore_index=True), pd.concat(history, ignore_index=True)


def swept() -> tuple[critical.Runs, Critical]:
    """Screen, select, confirm and fit, as in a study."""
    lanes, history = together([trained(size, RATES, SCREEN) for size in SIZES])
    rates = winners.by_rate(lanes, history, "val_loss", SMALL.target)
    selection = winners.winners(rates)
    fastest = selection[selection["criterion"] == "fastest"]
    rate_of = dict(zip(fastest["batch_size"], fastest["lr"], strict=True))
    fresh = [trained(size, np.array([rate_of[size]]), CONFIRM) for size in rate_of]
    lanes, history = together(fresh)
    steps = targets.steps_to_target(history, "val_loss", SMALL.target)
    confirmed = lanes.merge(steps, on=CELL, how="left")
    runs = critical.runs_of(confirmed, selection, "baseline")
    return runs, fitted(runs)


def fitted(runs: critical.Runs) -> Critical:
    """The fit, which these runs always allow."""
    fit = critical.fit(runs, 0)
    assert fit is not None
    return fit


def exact(steps: Floats) -> critical.Runs:
    """Known steps at SIZES as one training each."""
    count = len(SIZES)
    nobody, one_seed = np.zeros(count, dtype=bool), np.zeros(count, dtype=np.int64)
    return critical.Runs(np.array(SIZES, dtype=float), steps, nobody, one_seed)


def known_curve() -> tuple[Floats, float]:
    """The closed form's steps at SIZES over RATES, and the critical batch size fitted to them."""
    steps = np.array([SMALL.best(size, RATES)[0] for size in SIZES])
    return steps, fitted(exact(steps)).curve.critical


def simulated(fit: Critical, truth: float) -> Check:
    """The simulated critical batch size against the closed form's."""
    return Check(
        "simulation", fit.low <= truth <= fit.high,
        f"critical batch size {fit.curve.critical:.1f} ({fit.low:.1f} to {fit.high:.1f}, "
        f"n = {fit.n}) from simulated trainings, {truth:.1f} from the closed form",
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
    table = pd.DataFrame(
        {"variant": "baseline", "batch_size": SIZES, "examples_to_target": steps * SIZES}
    )
    frame = Frame(1, "score", "a loss of 0.005", ("baseline",))
    study = Study(Params(), Measurements()).with_known(
        frame=frame, tradeoff=table, critical=fitted(exact(steps))
    )
    outcome = training.constant_product(study)
    return Check("constant product", outcome.verdict == "supported", outcome.finding)


def picture(runs: critical.Runs, fit: Critical, known: Floats, truth: float) -> Figure:
    """Simulated steps, the fit, and the closed form."""
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
    """Run the three checks, print each, write the picture."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--picture", default="selfcheck.png", help="where to draw the simulation")
    options = parser.parse_args()
    runs, fit = swept()
    known, truth = known_curve()
    checks = [closed_form(), simulated(fit, truth), isotropic()]
    for check in checks:
        print(f"{'passed' if check.passed else 'FAILED'}  {check.name}: {check.words}")
    with mpl.rc_context(STYLE), open(options.picture, "wb") as file:
        file.write(drawing.saved(picture(runs, fit, known, truth), "png"))
    print(f"Picture: {options.picture}")
    sys.exit(0 if all(check.passed for check in checks) else 1)


if __name__ == "__main__":
    main()
