"""What other searches would have chosen from the trainings of a finished study, and have trained.

    python -m benchmarks.searches [--study FOLDER]

Replays of the screened trainings, once for each screening seed: a plain grid search by the final
validation loss; successive halving (Jamieson & Talwalkar 2016) and the best few after one epoch,
both with epochs as the resource. What they choose is charged with its seconds to the study's
target, median over the screening seeds, over those of the study's own recommendation; what they
train is counted in steps of the whole grid of one seed.
"""

import argparse
import json
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

ETA = 3
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
    """The best 1 / ETA go on for ETA times the epochs, until one is left or the end is reached."""
    configs, epochs, done, steps = list(curves.losses), FIRST_EPOCHS, 0.0, 0.0
    while True:
        epochs = min(epochs, curves.longest())
        steps += sum(curves.steps(config, epochs - done) for config in configs)
        configs = best(curves, configs, epochs)[: max(1, len(configs) // ETA)]
        if len(configs) == 1 or epochs == curves.longest():
            return configs[0], steps
        epochs, done = epochs * ETA, epochs


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


def main() -> None:
    """Replay and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--study", type=Path, default=Path(), help="a folder with a finished study")
    rows = rows_of(parser.parse_args().study)
    print("| " + " | ".join(rows[0]) + " |\n|" + "---|" * len(rows[0]))
    for row in rows:
        print("| " + " | ".join(str(value) for value in row.values()) + " |")


if __name__ == "__main__":
    main()
