"""How near to the best rate is the one that a study chose?

    python -m benchmarks.rates [--seeds 20] [--sizes 32 64 128 256 512]

After `dvc repro`: batch sizes of the study are trained at their chosen rates and at rates an
eighth of a power of ten apart around them, four times as fine as the grid, with seeds that the
study never saw. Excess: the chosen rate's expected steps to the target over the least of the
response that ``selection.response`` fits to all rates; over the least single rate it is made larger
by luck.
"""

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd
import torch

from benchmarks import harness
from pipeline.lanes import trainings
from pipeline.lanes.job import Job
from pipeline.lanes.workers import planned, spread
from pipeline.params.load import Params, load_params
from pipeline.params.settings import Cell
from pipeline.selection import targets, winners
from pipeline.selection.response import response
from pipeline.training import dataset
from pipeline.training.dataset import Dataset
from pipeline.workspace import files

APART, EACH_SIDE = 10 ** (1 / 8), 4
FIRST_SEED = 5000


def arrivals(
    params: Params, data: Dataset, size: int, lr: float, target: float, seeds: int
) -> pd.DataFrame:
    """Steps to the target of every rate around ``lr`` and every seed."""
    rates = [float(f"{lr * APART**k:.4g}") for k in range(-EACH_SIDE, EACH_SIDE + 1)]
    cells = [
        Cell("baseline", size, rate, FIRST_SEED + seed, "screen")
        for rate in rates
        for seed in range(seeds)
    ]
    pack = trainings.make_pack(params, "baseline", size, cells, data)
    pack = replace(pack, dense=targets.evaluations_near([1.0, float(pack.steps)], pack.steps))
    trained = spread(pack, Job(data, planned(pack, data, params.impl), harness.unheard))
    smooth = targets.curves(trainings.history(pack, trained), params.target.metric)
    cell_table = trainings.cell_table(pack, trained)
    return targets.arrivals(cell_table, smooth, params.target.metric, target)


def row(arrived: pd.DataFrame, size: int, lr: float) -> dict[str, object]:
    """One line of the table."""
    fitted = response(arrived)
    single = pd.Series({rate: winners.running_time(cells) for rate, cells in arrived.groupby("lr")})
    return {
        "batch size": size,
        "chosen rate": f"{lr:.4g}",
        "its steps": f"{fitted[lr]:.0f}",
        "best rate": f"{fitted.idxmin():.4g}",
        "least steps": f"{fitted.min():.0f}",
        "excess": f"{fitted[lr] / fitted.min() - 1:.1%}",
        "excess over the least single rate": f"{single[lr] / single.min() - 1:.1%}",
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Sweep every batch size, print."""
    parser = harness.arguments(__doc__ or "", 1)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--sizes", type=int, nargs="*", default=[32, 64, 128, 256, 512])
    options = parser.parse_args(argv)
    params = load_params(files.PARAMS)
    selection = pd.read_csv(files.RESULTS / "selection.csv")
    fastest = selection[selection["criterion"] == "fastest"].set_index("batch_size")
    scaling = params.settings("baseline").scaling
    data = dataset.load(files.PROCESSED, scaling, torch.device("cpu"))
    rows = []
    for size in options.sizes:
        lr, target = (float(fastest.loc[size, name]) for name in ("lr", "target"))
        arrived = arrivals(params, data, size, lr, target, options.seeds)
        rows.append(row(arrived, size, lr))
        print(rows[-1], flush=True)
    harness.show(f"Chosen rates against a finer sweep, {options.seeds} seeds", rows, options.out)


if __name__ == "__main__":
    main()
