"""The first speed: seconds per step and memory of one training at a time, per batch size.

Writes results/throughput.csv, the only results that may differ between two runs; nothing that
trains reads it. Measure again with `dvc repro -f throughput`.
"""

import functools

import pandas as pd

from pipeline import params
from pipeline.data import tensors
from pipeline.engine import budget, memory
from pipeline.errors import command, require
from pipeline.measure import machine, steps, throughput
from pipeline.measure.throughput import Timing
from pipeline.params import Params
from pipeline.stages import files
from pipeline.stages.progress import progress


def resolved(config: Params, examples: int) -> list[tuple[str, int]]:
    """The grid's packs with ``full`` as a number.

    Raises InputError for a batch size beyond the data, or given twice.
    """
    packs = [(variant, budget.resolve(size, examples)) for variant, size in config.packs()]
    for pack in packs:
        require(
            packs.count(pack) == 1, "grid.batch_size", pack[1], "is also what 'full' means here"
        )
    return packs


def row(variant: str, batch_size: int, timing: Timing, peak_bytes: int) -> dict[str, object]:
    """One line of the table."""
    low, high = timing.quartiles
    return {
        "variant": variant,
        "batch_size": batch_size,
        "seconds_per_step": timing.median,
        "seconds_per_step_q25": low,
        "seconds_per_step_q75": high,
        "examples_per_second": batch_size / timing.median,
        "peak_bytes": peak_bytes,
        "blocks": len(timing.blocks),
        "steps_per_block": timing.steps_per_block,
    }


@command
def main() -> None:
    """Read data/processed, measure, write results/throughput.csv."""
    config = params.load(files.PARAMS)
    where = machine.device(config.impl.device)
    settings = {variant: config.settings(variant) for variant in config.grid.variant}
    data = {
        scaling: tensors.load(files.PROCESSED, scaling, where)
        for scaling in {chosen.scaling for chosen in settings.values()}
    }
    examples = len(next(iter(data.values())).train)
    functions, peaks = {}, {}
    packs = resolved(config, examples)
    with progress("throughput: memory", len(packs), "batch size") as on_done:
        for variant, size in packs:
            inputs = (settings[variant], data[settings[variant].scaling], size)
            peaks[variant, size] = memory.peak_bytes(
                functools.partial(steps.train_and_evaluate, *inputs), where
            )
            functions[variant, size] = steps.training_step(*inputs)
            on_done(1)
    timings = throughput.measure(functions, where, config.seed)
    table = pd.DataFrame([row(*pack, timings[pack], peaks[pack]) for pack in packs])
    files.write_csv(files.RESULTS / "throughput.csv", table.assign(**machine.describe(where)))


if __name__ == "__main__":
    main()
