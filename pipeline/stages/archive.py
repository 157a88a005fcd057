"""The solutions that training left behind, each with what is known of it."""

from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
import torch
from safetensors import safe_open
from torch import Tensor

from pipeline.data import tensors
from pipeline.data.tensors import Dataset, Part
from pipeline.engine import budget, seeds
from pipeline.measure import machine, solutions
from pipeline.measure.solutions import Solutions
from pipeline.params import Params
from pipeline.stages import files

LEARNT = 0.9
"""A loss below this share of a constant prediction's has learnt something."""
KEYS = ["variant", "batch_size", "lr", "seed"]


@dataclass(frozen=True)
class Found:
    """Solutions of one pack: a row of ``table`` each, in the same order."""

    variant: str
    batch_size: int
    table: pd.DataFrame
    solutions: Solutions

    def where(self, mask: "pd.Series[bool]") -> "Found":
        """Those whose row is chosen."""
        places = torch.tensor(mask.to_numpy().nonzero()[0])
        table = self.table[mask].reset_index(drop=True)
        return Found(self.variant, self.batch_size, table, self.solutions.take(places))

    def first(self) -> "Found":
        """Those of the first seed."""
        return self.where(self.table["seed"] == self.table["seed"].min())


class Archive:
    """Reads what earlier stages wrote: data and tables once, weights where they are asked for."""

    def __init__(self, config: Params) -> None:
        self.config = config
        self.device = machine.device(config.impl.device)
        self.selection = pd.read_csv(files.RESULTS / "selection.csv")
        scalings = {config.settings(variant).scaling for variant in config.grid.variant}
        self.datasets: dict[str, Dataset] = {
            scaling: tensors.load(files.PROCESSED, scaling, self.device) for scaling in scalings
        }

    def data(self, variant: str) -> Dataset:
        """The data as the variant sees them."""
        return self.datasets[self.config.settings(variant).scaling]

    def sample(self, variant: str, part: str = "train") -> Part:
        """The examples of a part that costly measures look at, the same for all solutions."""
        config = self.config
        whole = getattr(self.data(variant), part)
        return solutions.sample(whole, config.evaluation.examples, config.seed)

    def found(
        self, variant: str, batch_size: int, table: pd.DataFrame, path: Path, prefix: str
    ) -> Found:
        """Rows of one pack with their weights: tensors ``prefix + name`` of a file, row by row."""
        with safe_open(path, framework="pt", device=str(self.device)) as file:
            weights = {
                name.removeprefix(prefix): file.get_tensor(name)
                for name in file.keys()  # noqa: SIM118
                if name.startswith(prefix)
            }
        own = solutions.solutions(self.config.settings(variant), self.data(variant), weights)
        return Found(variant, batch_size, table.reset_index(drop=True), own)

    def chosen(self, pack: Found, criterion: str) -> Found:
        """The solutions at the rate that a criterion chose for their pack."""
        own = self.selection
        row = (own["variant"] == pack.variant) & (own["batch_size"] == pack.batch_size)
        rates = own.loc[row & (own["criterion"] == criterion), "lr"]
        return pack.where(pack.table["lr"].isin(rates))

    def initial(self, variant: str, seed: int, like: Solutions) -> Solutions:
        """The weights that a seed starts from."""
        settings, data = self.config.settings(variant), self.data(variant)
        model = seeds.initial_model(settings.model, data.shape, data.outputs, settings.seed, seed)
        start: dict[str, Tensor] = {
            name: tensor[None].to(self.device) for name, tensor in model.state_dict().items()
        }
        return solutions.with_weights(like, start)


def of_pack(table: pd.DataFrame, variant: str, batch_size: int) -> pd.DataFrame:
    """A table's rows of one pack."""
    return table[(table["variant"] == variant) & (table["batch_size"] == batch_size)]


def ends(store: Archive, variant: str, batch_size: int) -> Found:
    """The confirmed solutions of a pack that did not diverge."""
    lanes = of_pack(pd.read_parquet(files.RESULTS / "confirm_lanes.parquet"), variant, batch_size)
    path, prefix = files.RESULTS / "confirm.safetensors", f"{variant}-{batch_size}/"
    found = store.found(variant, batch_size, lanes, path, prefix)
    return found.where(found.table["status"] == "finished")


def kept(store: Archive, pack: Found) -> Found:
    """The weights kept along a pack's trainings; ``moment`` and ``step`` say which.

    None where all of them had diverged before.
    """
    table = of_pack(pd.read_csv(files.RESULTS / "snapshots.csv"), pack.variant, pack.batch_size)
    if table.empty:
        none = pack.where(pack.table["seed"] < 0)
        return replace(none, table=none.table.assign(moment="", step=0))
    path, prefix = files.RESULTS / "snapshots.safetensors", f"{pack.variant}-{pack.batch_size}/"
    return store.found(pack.variant, pack.batch_size, table, path, prefix)


def largest_stable(store: Archive, variant: str, batch_size: int) -> Found:
    """The screened solutions of a pack's largest rate at which every seed learns something: none
    diverges, and none ends as bad as a constant prediction."""
    examples = len(store.data(variant).train)
    asked = next(
        size
        for size in store.config.grid.batch_size
        if budget.resolve(size, examples) == batch_size
    )
    folder = files.run_folder(variant, asked)
    lanes = pd.read_parquet(folder / "lanes.parquet")
    limit = LEARNT * constant_loss(store.data(variant))
    lost = (~lanes["final_train_loss"].lt(limit)).groupby(lanes["lr"]).any()
    found = store.found(variant, batch_size, lanes, folder / "weights.safetensors", "")
    return found.where(found.table["lr"] == lost.index[~lost].max())


def constant_loss(data: Dataset) -> float:
    """The training loss of the best constant prediction: the labels' entropy, or their variance."""
    if data.task == "classification":
        shares = torch.bincount(data.train.y).double() / len(data.train)
        return float(torch.special.entr(shares).sum())
    return float(data.train.y.double().var(correction=0))
