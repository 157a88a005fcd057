"""The solutions that training left behind, each with what is known of it."""

from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
import torch
from safetensors import safe_open
from torch import Tensor

from pipeline.params.load import Params
from pipeline.selection.keys import rows_of
from pipeline.solutions import surface
from pipeline.solutions.surface import Solutions
from pipeline.training import budget, dataset, seeds
from pipeline.training.dataset import Dataset, Part
from pipeline.training.device import device
from pipeline.workspace import files

LEARNT = 0.9
"""A loss below this share of a constant prediction's has learnt something."""


@dataclass(frozen=True)
class PackSolutions:
    """Solutions of one pack: a row of ``table`` each, in the same order."""

    variant: str
    batch_size: int
    table: pd.DataFrame
    solutions: Solutions

    def where(self, mask: "pd.Series[bool]") -> "PackSolutions":
        """The solutions whose row of the table is True in ``mask``."""
        places = torch.tensor(mask.to_numpy().nonzero()[0])
        table = self.table[mask].reset_index(drop=True)
        return PackSolutions(self.variant, self.batch_size, table, self.solutions.take(places))

    def first_seed(self) -> "PackSolutions":
        """The solutions of the smallest seed."""
        return self.where(self.table["seed"] == self.table["seed"].min())


class Archive:
    """Reads what earlier stages wrote: data and tables once, weights where they are asked for."""

    def __init__(self, params: Params, device_name: str) -> None:
        self.params = params
        self.device = device(device_name)
        self.selection = pd.read_csv(files.RESULTS / "selection.csv")
        scalings = {params.settings(variant).scaling for variant in params.grid.variant}
        self.datasets: dict[str, Dataset] = {
            scaling: dataset.load(files.PROCESSED, scaling, self.device) for scaling in scalings
        }

    def data(self, variant: str) -> Dataset:
        """The data as the variant sees them."""
        return self.datasets[self.params.settings(variant).scaling]

    def sample(self, variant: str, part: str = "train") -> Part:
        """The examples of a part that costly measures look at, the same for all solutions."""
        whole = getattr(self.data(variant), part)
        return surface.sample(whole, self.params.evaluation.examples, self.params.seed)

    def read(
        self, variant: str, batch_size: int, table: pd.DataFrame, path: Path, prefix: str
    ) -> PackSolutions:
        """Rows of one pack with their weights: tensors ``prefix + name`` of a file, row by row."""
        with safe_open(path, framework="pt", device=str(self.device)) as file:
            weights = {
                name.removeprefix(prefix): file.get_tensor(name)
                for name in file.keys()  # noqa: SIM118
                if name.startswith(prefix)
            }
        settings = self.params.settings(variant)
        solutions = surface.solutions(settings, self.data(variant), weights)
        return PackSolutions(variant, batch_size, table.reset_index(drop=True), solutions)

    def ends(self, variant: str, batch_size: int) -> PackSolutions:
        """The confirmed solutions of a pack that did not diverge."""
        cells = pd.read_parquet(files.RESULTS / "confirm_lanes.parquet")
        path, prefix = files.RESULTS / "confirm.safetensors", f"{variant}-{batch_size}/"
        rows = rows_of(cells, variant, batch_size)
        pack = self.read(variant, batch_size, rows, path, prefix)
        return pack.where(pack.table["status"] != "diverged")

    def snapshots(self, ends: PackSolutions) -> PackSolutions:
        """The weights kept along a pack's trainings; ``moment`` and ``step`` say which.

        None where all of them had diverged before.
        """
        variant, batch_size = ends.variant, ends.batch_size
        table = rows_of(pd.read_csv(files.RESULTS / "snapshots.csv"), variant, batch_size)
        if table.empty:
            none = ends.where(ends.table["seed"] < 0)
            return replace(none, table=none.table.assign(moment="", step=0))
        path = files.RESULTS / "snapshots.safetensors"
        return self.read(variant, batch_size, table, path, f"{variant}-{batch_size}/")

    def chosen(self, pack: PackSolutions, criterion: str) -> PackSolutions:
        """The solutions at the rate that a criterion chose for their pack."""
        rows = rows_of(self.selection, pack.variant, pack.batch_size)
        return pack.where(pack.table["lr"].isin(rows.loc[rows["criterion"] == criterion, "lr"]))

    def largest_stable(self, variant: str, batch_size: int) -> PackSolutions:
        """The screened solutions of a pack's largest rate at which every seed learns something:
        none diverges, and none ends as bad as a constant prediction."""
        data = self.data(variant)
        asked = next(
            size
            for size in self.params.grid.batch_size
            if budget.resolve(size, len(data.train)) == batch_size
        )
        folder = files.run_folder(variant, asked)
        cells = pd.read_parquet(folder / "lanes.parquet")
        limit = LEARNT * constant_loss(data)
        lost = (~cells["final_train_loss"].lt(limit)).groupby(cells["lr"]).any()
        pack = self.read(variant, batch_size, cells, folder / "weights.safetensors", "")
        return pack.where(pack.table["lr"] == lost.index[~lost].max())

    def initial(self, variant: str, seed: int, like: Solutions) -> Solutions:
        """The weights that a seed starts from."""
        settings, data = self.params.settings(variant), self.data(variant)
        model = seeds.initial_model(settings.model, data.shape, data.outputs, settings.seed, seed)
        start: dict[str, Tensor] = {
            name: tensor[None].to(self.device) for name, tensor in model.state_dict().items()
        }
        return surface.with_weights(like, start)


def constant_loss(data: Dataset) -> float:
    """The training loss of the best constant prediction: the labels' entropy, or their variance."""
    if data.task == "regression":
        return float(data.train.y.double().var(correction=0))
    shares = torch.bincount(data.train.y.flatten()).double() / data.train.y.numel()
    return float(torch.special.entr(shares).sum())
