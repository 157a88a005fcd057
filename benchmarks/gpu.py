"""On a CUDA GPU: correctness first, then speed. Needs torch and numpy alone.

    python -m benchmarks.gpu [--repeats 3]

Checks that a lane equals the plain loop and does not depend on its neighbours, with TF32 off and
on; then lanes to saturation and the DataLoader loop on the same GPU.
"""

import sys

import numpy as np
import torch

from benchmarks import harness
from pipeline.lanes.run import train_lanes
from pipeline.models.precision import round_products
from pipeline.params.schedule import Budget
from pipeline.training import loop
from pipeline.training.dataset import Dataset, Part
from pipeline.training.pack import Pack, Trained

RATES = (0.003, 0.01, 0.03, 0.1)


def moved(data: Dataset, device: torch.device) -> Dataset:
    """The data on the device."""
    train, val, test = (
        Part(p.x.to(device), p.y.to(device)) for p in (data.train, data.val, data.test)
    )
    return Dataset(data.task, data.outputs, train, val, test)


def lanes(pack: Pack, data: Dataset) -> Trained:
    """The traced engine, captured in CUDA graphs."""
    return train_lanes(pack, harness.job(data, "traced"))


def correctness(data: Dataset, tf32: bool) -> dict[str, object]:
    """Largest difference from the plain loop, and whether neighbours change a lane's bits."""
    round_products(tf32)
    pack = harness.make_pack(data, harness.DIGITS_MLP, 32, RATES, 2, Budget(1, 60, 4))
    whole, plain = lanes(pack, data), loop.train_cells(pack, data, harness.unheard)
    apart = max(
        float(np.abs(whole.weights[name] - plain.weights[name]).max()) for name in plain.weights
    )
    some = lanes(pack.part([1, 6]), data)
    same = all(np.array_equal(some.weights[n], whole.weights[n][[1, 6]]) for n in some.weights)
    return {"TF32": tf32, "largest difference from the loop": f"{apart:.1e}", "same bits": same}


def speed(data: Dataset, count: int, repeats: int) -> dict[str, object]:
    """Microseconds for a lane and step, and the ratio to the DataLoader loop."""
    rates = [0.001 * (k + 1) for k in range(count)]
    pack = harness.make_pack(data, harness.DIGITS_MLP, 32, rates, 1, Budget(1, 960, 4))
    one = pack.part([0])
    contenders = {
        "lanes": lambda: lanes(pack, data),
        "loader": lambda: harness.user_loops(one, data, harness.loaded, 1),
    }
    seconds = harness.alternate(contenders, repeats, torch.device("cuda"))
    each = np.median(seconds["lanes"]) / pack.steps / count
    ratios = np.array(seconds["loader"]) * count / np.array(seconds["lanes"])
    low, high = ratios.min(), ratios.max()
    return {
        "lanes": count,
        "µs a lane and step": f"{each * 1e6:.1f}",
        "against DataLoader": f"{np.median(ratios):.1f}x ({low:.1f} to {high:.1f})",
    }


def main() -> None:
    """Check, then time."""
    options = harness.arguments(__doc__ or "", 3).parse_args()
    if not torch.cuda.is_available():
        sys.exit("benchmarks.gpu: no CUDA GPU that torch can see")
    data = moved(harness.images((1, 8, 8), 1077), torch.device("cuda"))
    checks = [correctness(data, tf32) for tf32 in (False, True)]
    harness.show("Correctness on the GPU", checks, None)
    round_products(False)
    rows = [speed(data, count, options.repeats) for count in (2, 8, 32, 128, 512, 2048)]
    harness.show("Digits network, batch size 32, CUDA graphs", rows, options.out)


if __name__ == "__main__":
    main()
