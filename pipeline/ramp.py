"""A schedule of growing batches from the report's local critical batch sizes.

    python -m pipeline.ramp

Prints it as this project's overrides, as Megatron's argument and as OLMo-core's callback.
"""

import json
import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipeline.errors import InputError, command, require
from pipeline.params.load import Params, load_params
from pipeline.training.budget import total_steps
from pipeline.workspace import files

ROUNDING = 1e-6


@dataclass(frozen=True)
class Ramp:
    """Batch sizes, each twice the one before, and the examples after which each begins."""

    sizes: tuple[int, ...]
    begins: tuple[int, ...]


def ramp(table: pd.DataFrame) -> Ramp:
    """The powers of two that stay below the local critical batch size, which does not fall in
    between: by the logarithms of it and of the examples.

    table: ``branches.local_critical``; moments at which no loss falls are left out.

    Raises InputError where it never doubles, or is known at fewer than two moments.
    """
    table = table.dropna(subset=["critical"])
    rule = "has too few moments at which the loss falls"
    require(len(table) > 1, "reports/tables/local_critical.csv", len(table), rule)
    examples = np.log(table["examples"].to_numpy(float))
    critical = np.maximum.accumulate(np.log2(table["critical"].to_numpy(float)))
    first, last = int(critical[0] + 1e-9), int(critical[-1] + 1e-9)
    if last == first:
        raise InputError(
            f"reports/tables/local_critical.csv: the local critical batch size stays between "
            f"{2**first} and {2 ** (first + 1)}: nothing to grow to"
        )
    powers = range(first + 1, last + 1)
    places = [np.searchsorted(critical, power - 1e-9) for power in powers]
    begins = [
        np.interp(power, critical[place - 1 : place + 1], examples[place - 1 : place + 1])
        for power, place in zip(powers, places, strict=True)
    ]
    sizes = tuple(2**power for power in (first, *powers))
    return Ramp(sizes, (0, *(math.ceil(np.exp(begin) - ROUNDING) for begin in begins)))


def overrides(found: Ramp, params: Params, examples: int) -> str:
    """What trains so here: the milestones are shares of the budget of the first batch size. The
    branches are the first variant's."""
    first, chosen = found.sizes[0], params.settings(params.grid.variant[0])
    whole = total_steps(chosen.budget, examples, first) * first
    shares = [float(f"{begin / whole:.3g}") for begin in found.begins[1:]]
    exchange = "sgd" if chosen.optimizer.name in ("sgd", "nesterov", "schedule_free") else "adam"
    return (
        f"schedule=growth 'schedule.milestones={shares}' schedule.factor=0.5 "
        f"schedule.exchange={exchange} 'grid.batch_size=[{first}]'"
    )


def megatron(found: Ramp, tokens: int) -> str:
    """Thresholds are tokens where there is a length of sequences, and samples elsewhere."""
    pairs = [
        f"{begin * tokens}:{size}" for begin, size in zip(found.begins, found.sizes, strict=True)
    ]
    return f'--step-batch-size-schedule "{" ".join(pairs)}"'


def olmo_core(found: Ramp, tokens: int) -> str:
    """Its batch sizes count tokens; its rate grows by the root of the batch's growth."""
    sizes = [size * tokens for size in found.sizes]
    begins = ", ".join(f"Duration.tokens({begin * tokens})" for begin in found.begins)
    return f"BatchSizeSchedulerCallback(batch_sizes={sizes}, schedule=[{begins}])"


@command
def main() -> None:
    """Read the report, print the ramp."""
    path = files.REPORTS / "tables" / "local_critical.csv"
    if not path.is_file():
        raise InputError(f"{path}: no such file; `dvc repro` makes it")
    table = pd.read_csv(path)
    if table.empty:
        rule = "no training was branched: batches that grow and very short trainings are not"
        raise InputError(f"{path}: {rule}")
    described = files.PROCESSED / "summary.json"
    if not described.is_file():
        raise InputError(f"{described}: no such file; `dvc repro preprocess` makes it")
    summary = json.loads(described.read_text())
    tokens = summary["shape"][0] if summary["task"] == "language" else 1
    found = ramp(table)
    print(f"# {len(table)} moments of {table['examples'].max():,} examples up to the target")
    print(overrides(found, load_params(files.PARAMS), summary["examples"]["train"]))
    print(megatron(found, tokens))
    print(olmo_core(found, tokens))


if __name__ == "__main__":
    main()
