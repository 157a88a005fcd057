"""What other searches would have chosen, and have trained for it.

    python -m benchmarks.searches [--study FOLDER] [--quadratic]

Replays of the screened trainings of a finished study, once for each screening seed: a plain grid
search by the final validation loss; successive halving as Optuna prunes (Jamieson & Talwalkar 2016;
Li et al. 2020) and the best few after one epoch, all with epochs as the resource. What they choose
is charged with its seconds to the study's target, median over the screening seeds, over those of
the study's own recommendation; what they train is counted in steps of the whole grid of one seed.
With --quadratic the same on the noisy quadratic, where a setting's expected steps are known, a step
takes as long as OVERHEAD examples and its own, and this project's whole and raced screening stand
beside the others. Optuna is in the ``searches`` extra.
"""

import argparse
import json
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.race import rounds
from pipeline.selection import targets, winners
from pipeline.selfcheck import protocol
from pipeline.selfcheck.protocol import Tables

ETA = 3
WORST = 1e9
"""A loss that stands for a diverged training's."""
OVERHEAD = 64
EXAMPLES = 1024
"""Those of an epoch of the quadratic, which has no data."""
STUDIES = 10
FIRST_EPOCHS = 1.0
TOP = 5
Config = tuple[int, float]


@dataclass(frozen=True)
class Curves:
    """One seed's validation losses by configuration: epochs (ascending), losses, and the steps of
    an epoch; a diverged training's losses end early."""

    epochs: dict[Config, np.ndarray]
    losses: dict[Config, np.ndarray]
    steps_per_epoch: dict[int, float]

    def loss(self, config: Config, epochs: float) -> float:
        """The last loss up to so many epochs; infinite from divergence on, or before the first."""
        seen = self.epochs[config] <= epochs * (1 + 1e-9)
        if not seen.any() or (self.epochs[config][-1] < epochs and self.ended_early(config)):
            return np.inf
        return float(self.losses[config][seen][-1])

    def ended_early(self, config: Config) -> bool:
        """Whether other trainings of the batch size went on for longer."""
        longest = max(self.epochs[other][-1] for other in self.epochs if other[0] == config[0])
        return bool(self.epochs[config][-1] < longest)

    def steps(self, config: Config, epochs: float) -> float:
        """What a training of so many epochs costs."""
        return self.steps_per_epoch[config[0]] * epochs

    def longest(self) -> float:
        """The epochs that every batch size trained."""
        by_size: dict[int, float] = {}
        for (size, _), epochs in self.epochs.items():
            by_size[size] = max(by_size.get(size, 0.0), epochs[-1])
        return min(by_size.values())


Search = Callable[[Curves], tuple[Config, float]]
"""Curves to the configuration that is chosen and the steps that were trained for it."""


def best(curves: Curves, configs: Sequence[Config], epochs: float) -> list[Config]:
    """The configurations by their loss after so many epochs, the best first."""
    return sorted(configs, key=lambda config: curves.loss(config, epochs))


def plain_grid(curves: Curves) -> tuple[Config, float]:
    """All configurations to the end; the lowest loss."""
    configs, end = list(curves.losses), curves.longest()
    return best(curves, configs, end)[0], sum(curves.steps(config, end) for config in configs)


def successive_halving(curves: Curves) -> tuple[Config, float]:
    """Optuna's pruner, over the whole grid in random order, told the loss after every epoch."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    configs, last, trained = list(curves.losses), max(1, int(curves.longest())), 0.0

    def objective(trial: optuna.Trial) -> float:
        nonlocal trained
        config = configs[trial.suggest_int("config", 0, len(configs) - 1)]
        loss = WORST
        for epoch in range(1, last + 1):
            loss = min(WORST, curves.loss(config, epoch))
            trained += curves.steps(config, 1)
            trial.report(loss, epoch)
            if trial.should_prune():
                raise optuna.TrialPruned
        return loss

    study = optuna.create_study(
        sampler=optuna.samplers.GridSampler({"config": list(range(len(configs)))}, seed=0),
        pruner=optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=ETA),
    )
    study.optimize(objective, n_trials=len(configs))
    return configs[study.best_params["config"]], trained


def top_after_one_epoch(curves: Curves) -> tuple[Config, float]:
    """One epoch of all, the best TOP of them to the end."""
    configs, end = list(curves.losses), curves.longest()
    steps = sum(curves.steps(config, FIRST_EPOCHS) for config in configs)
    chosen = best(curves, configs, FIRST_EPOCHS)[:TOP]
    steps += sum(curves.steps(config, end - FIRST_EPOCHS) for config in chosen)
    return best(curves, chosen, end)[0], steps


SEARCHES: dict[str, Search] = {
    "grid, lowest final loss": plain_grid,
    "successive halving": successive_halving,
    "one epoch, then the best five": top_after_one_epoch,
}


def curves_of(history: pd.DataFrame) -> dict[int, Curves]:
    """The screened curves of each seed."""
    screened = history[history["phase"] == "screen"].sort_values("step")
    per_epoch = (screened["step"] / screened["epoch"]).groupby(screened["batch_size"]).median()
    found = {}
    for seed, of_seed in screened.groupby("seed"):
        epochs, losses = {}, {}
        for (size, lr), rows in of_seed.groupby(["batch_size", "lr"]):
            epochs[int(size), float(lr)] = rows["epoch"].to_numpy(float)
            losses[int(size), float(lr)] = rows["val_loss"].to_numpy(float)
        found[int(seed)] = Curves(epochs, losses, per_epoch.to_dict())
    return found


def rows_of(study: Path) -> list[dict[str, object]]:
    """A line of the table for every search, and the study's own."""
    history = pd.concat(
        pd.read_parquet(path) for path in sorted(study.glob("runs/baseline-*/history.parquet"))
    )
    rates = pd.read_csv(study / "reports/tables/rates.csv").set_index(["batch_size", "lr"])
    own = json.loads((study / "reports/recommendation.json").read_text())["recommended"]
    fastest = rates.loc[(own["batch_size"], own["lr"]), "median_seconds"]
    by_seed = curves_of(history)
    whole = sum(
        curves.steps(c, curves.longest()) for curves in by_seed.values() for c in curves.losses
    )
    whole /= len(by_seed)
    trained = history.groupby(["batch_size", "lr", "seed"])["step"].max().sum()
    rows: list[dict[str, object]] = [
        {
            "search": "this study's screening",
            "steps": f"{trained / whole:.2f}",
            "chosen": f"{own['batch_size']} with {own['lr']:g}",
            "seconds to the target": "1",
        }
    ]
    for name, search in SEARCHES.items():
        chosen, steps = zip(*(search(curves) for curves in by_seed.values()), strict=True)
        prices = [float(rates.loc[config, "median_seconds"] / fastest) for config in chosen]
        rows.append(
            {
                "search": name,
                "steps": f"{statistics.median(steps) / whole:.2f}",
                "chosen": "; ".join(f"{size} with {lr:g}" for size, lr in chosen),
                "seconds to the target": "; ".join(
                    f"{price:.2g}" if np.isfinite(price) else "never" for price in prices
                ),
            }
        )
    return rows


def quadratic_curves(tables: Tables) -> dict[int, Curves]:
    """Screened quadratics by seed."""
    _, history = tables
    epochs = history["step"] * history["batch_size"] / EXAMPLES
    return curves_of(history.assign(phase="screen", epoch=epochs))


def seconds(size: int, lr: float) -> float:
    """The expected seconds to the target, in steps of a batch size that takes no overhead."""
    return protocol.MODEL.steps_to_target(size, lr) * (OVERHEAD + size)


def own_screening(tables: Tables) -> tuple[Config, float, float]:
    """What this project chooses from a screened quadratic, the steps trained, and those of a race
    to the same target."""
    lanes, history = tables
    smooth = targets.curves(lanes, history, "val_loss")
    rates = winners.by_rate(lanes, smooth, "val_loss", protocol.MODEL.target)
    fastest = rates.assign(cost=rates["response_steps"] * (OVERHEAD + rates["batch_size"]))
    best = fastest.loc[fastest["cost"].idxmin()]
    arrived = targets.arrivals(lanes, smooth, "val_loss", protocol.MODEL.target)
    whole = raced = 0.0
    for size, cells in arrived.groupby("batch_size"):
        evaluations = sorted(set(history.loc[history["batch_size"] == size, "step"]))
        last = rounds.end(cells, evaluations) or evaluations[-1]
        trained = lanes.loc[lanes["batch_size"] == size, "steps"]
        whole += float(trained.sum())
        raced += float(trained.clip(upper=last).sum())
    return (int(best["batch_size"]), float(best["lr"])), whole, raced


def quadratic_rows() -> list[dict[str, object]]:
    """A line for every search, over STUDIES quadratics."""
    best = {size: protocol.MODEL.best(size, protocol.FINE)[1] for size in protocol.SIZES}
    least = min(seconds(size, rate) for size, rate in best.items())
    found: dict[str, list[tuple[Config, float]]] = {}
    for number in range(STUDIES):
        seeds = range(1000 * number, 1000 * number + protocol.SCREEN)
        grid = protocol.together(
            *[protocol.trained(size, protocol.RATES, seeds) for size in protocol.SIZES]
        )
        tables = protocol.together(*[protocol.screened(size, seeds) for size in protocol.SIZES])
        by_seed = quadratic_curves(grid)
        unit = grid[0]["steps"].sum() / protocol.SCREEN
        chosen, whole, raced = own_screening(tables)
        found.setdefault("this project's screening", []).append((chosen, whole / unit))
        found.setdefault("the same, raced", []).append((chosen, raced / unit))
        for name, search in SEARCHES.items():
            for curves in by_seed.values():
                config, steps = search(curves)
                found.setdefault(name, []).append((config, steps / unit))
    return [
        {
            "search": name,
            "steps": f"{np.median([steps for _, steps in outcomes]):.2f}",
            "batch sizes chosen": listed([size for (size, _), _ in outcomes]),
            "seconds to the target": quantiles(
                [seconds(*config) / least for config, _ in outcomes]
            ),
        }
        for name, outcomes in found.items()
    ]


def listed(sizes: list[int]) -> str:
    """How often each batch size was chosen."""
    return ", ".join(f"{size} ({sizes.count(size)})" for size in sorted(set(sizes)))


def quantiles(ratios: list[float]) -> str:
    """The median, and the worst of ten."""
    middle, worst = np.quantile(ratios, [0.5, 0.9], method="higher")
    return f"{middle:.2f}, worst of ten {worst:.3g}"


def main() -> None:
    """Replay and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--study", type=Path, default=Path(), help="a folder with a finished study")
    parser.add_argument("--quadratic", action="store_true", help="on the noisy quadratic instead")
    asked = parser.parse_args()
    rows = quadratic_rows() if asked.quadratic else rows_of(asked.study)
    print("| " + " | ".join(rows[0]) + " |\n|" + "---|" * len(rows[0]))
    for row in rows:
        print("| " + " | ".join(str(value) for value in row.values()) + " |")


if __name__ == "__main__":
    main()
