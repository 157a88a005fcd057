"""What the confirmed solutions are worth: loss and score on every part, generalisation gap.

Writes results/evaluation.csv, one row per confirmed cell that did not diverge.
"""

import pandas as pd
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.func import functional_call

from pipeline import params
from pipeline.data import tensors
from pipeline.data.tensors import Dataset
from pipeline.engine import seeds
from pipeline.engine.losses import loss_and_score
from pipeline.errors import command
from pipeline.measure import machine
from pipeline.params import Settings
from pipeline.stages import files


def evaluation(settings: Settings, data: Dataset, weights: dict[str, Tensor]) -> dict[str, float]:
    """Loss and score of one solution on the three parts, and the train-test gap in score."""
    model = seeds.initial_model(settings.model, data.shape, data.outputs, settings.seed, 0).eval()
    model = model.to(data.train.x.device)
    values: dict[str, float] = {}
    with torch.no_grad():
        for name in ("train", "val", "test"):
            loss, score = loss_and_score(
                lambda x: functional_call(model, weights, (x,)), getattr(data, name), data.task
            )
            values |= {f"{name}_loss": loss, f"{name}_score": score}
    return values | {"generalisation_gap": values["train_score"] - values["test_score"]}


def weights_of(stacked: dict[str, Tensor], pack: str, cell: int) -> dict[str, Tensor]:
    """The weights of the ``cell``-th solution of a pack."""
    prefix = f"{pack}/"
    return {
        name.removeprefix(prefix): tensor[cell]
        for name, tensor in stacked.items()
        if name.startswith(prefix)
    }


@command
def main() -> None:
    """Read the confirmed weights, evaluate them, write results/evaluation.csv."""
    config = params.load(files.PARAMS)
    where = machine.device(config.impl.device)
    stacked = load_file(files.RESULTS / "confirm.safetensors", device=str(where))
    lanes = pd.read_parquet(files.RESULTS / "confirm_lanes.parquet")
    rows = []
    for (variant, size), pack in lanes.groupby(["variant", "batch_size"], sort=False):
        settings = config.settings(variant)
        data = tensors.load(files.PROCESSED, settings.scaling, where)
        for cell, lane in enumerate(pack.itertuples()):
            if lane.status == "finished":
                weights = weights_of(stacked, f"{variant}-{size}", cell)
                key = {
                    name: getattr(lane, name) for name in ("variant", "batch_size", "lr", "seed")
                }
                rows.append(key | evaluation(settings, data, weights))
    files.write_csv(files.RESULTS / "evaluation.csv", pd.DataFrame(rows))


if __name__ == "__main__":
    main()
