"""The timings of other machines, a file for each: throughput.csv, and what it timed by variant."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from pipeline.params.load import Params
from pipeline.workspace import files

if TYPE_CHECKING:
    import pandas as pd

TIMED = "timed"
"""The column that tells it."""
OF_A_STEP = ("model", "optimizer", "augmentation")
OF_THE_DATA = ("task", "shape", "outputs")


def timed(params: Params, data: Mapping[str, Any]) -> dict[str, str]:
    """By variant a digest of what the time of a step hangs on, beside batch size and machine.

    data: the summary of the processed data.
    """
    shape = {name: data[name] for name in OF_THE_DATA}
    digests = {}
    for variant in params.grid.variant:
        settings = params.settings(variant)
        parts = {name: asdict(getattr(settings, name)) for name in OF_A_STEP}
        text = json.dumps(parts | {"data": shape}, sort_keys=True)
        digests[variant] = hashlib.sha256(text.encode()).hexdigest()[:16]
    return digests


def keep(name: str, throughput: "pd.DataFrame", digests: Mapping[str, str]) -> None:
    """Write a machine's file."""
    table = throughput.assign(**{TIMED: throughput["variant"].map(digests)})
    files.write_csv(files.MACHINES / f"{name}.csv", table)


def read(digests: Mapping[str, str]) -> "dict[str, pd.DataFrame]":
    """The timings of all machines by name, of what is timed here; none of a machine where
    something else was."""
    import pandas as pd

    tables = {path.stem: pd.read_csv(path) for path in sorted(files.MACHINES.glob("*.csv"))}
    return {
        name: table[table[TIMED] == table["variant"].map(digests)].drop(columns=TIMED)
        for name, table in tables.items()
    }
