"""results/throughput.csv where another program trains."""

import platform
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import psutil

from pipeline.host import available_cores
from pipeline.outside import room
from pipeline.outside.trainings import Timed

NOT_MEASURED = (
    "seconds_gather", "seconds_forward", "seconds_backward", "seconds_update", "peak_bytes",
    "reserved_bytes", "update_difference", "steps_per_block", "largest_batch_size",
    "search_ended_by", "limit_bytes", "weight_bytes", "threads", "torch",
)  # fmt: skip
NOISY_SPREAD = 0.15


def throughput(
    packs: Sequence[tuple[str, int]], timed: Mapping[tuple[str, int], Sequence[Timed]], here: bool
) -> pd.DataFrame:
    """A row for each pack: the median of its seconds per step with their quartiles, NaN for one
    that was not timed. here: whether this machine measured them."""
    rows = []
    for variant, size in packs:
        seconds = [each.step for each in timed.get((variant, size), [])]
        calls = [each.call for each in timed.get((variant, size), [])]
        low, middle, high = np.percentile(seconds, [25, 50, 75]) if seconds else [np.nan] * 3
        rows.append(
            {"variant": variant, "batch_size": size, "micro_batches": 1, "in_grid": True}
            | {"seconds_per_step": middle, "seconds_per_step_q25": low}
            | {"seconds_per_step_q75": high, "blocks": len(seconds)}
            | {"call_seconds": np.median(calls) if calls else np.nan}
            | {"noisy": high - low > NOISY_SPREAD * middle, "examples_per_second": size / middle}
        )
    at_once = room.here([each for pack in timed.values() for each in pack]) if here else 1
    return pd.DataFrame(rows).assign(
        calls_at_once=at_once, other_cores=0.0, **dict.fromkeys(NOT_MEASURED), **machine(here)
    )


def machine(here: bool) -> dict[str, object]:
    """What measured the seconds."""
    if not here:
        return dict.fromkeys(("device", "processor", "cores", "memory_gb", "python"))
    return {
        "device": "of the program",
        "processor": platform.processor() or platform.machine(),
        "cores": available_cores(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30),
        "python": platform.python_version(),
    }
