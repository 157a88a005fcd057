"""The timings of other machines, a file for each: throughput.csv, and what it timed by variant."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import require
from pipeline.params.load import Params
from pipeline.params.settings import OF_A_STEP
from pipeline.workspace import files

if TYPE_CHECKING:
    import pandas as pd

TIMED = "timed"
"""The column that tells it."""
OF_THE_DATA = ("task", "shape", "outputs")


def timed(params: Params, data: Mapping[str, Any]) -> dict[str, str]:
    """By variant a digest of what the time of a step hangs on, beside batch size and machine.

    data: the summary of the processed data.
    """
    shared: dict[str, Any] = {"data": {name: data.get(name) for name in OF_THE_DATA}}
    shared["command"] = params.trainer.command
    shared["program"] = [files.watched(name).read_text() for name in params.watched.program]
    if params.has_own_network:
        shared["network"] = Path(params.watched.model).read_text()
    digests = {}
    for variant in params.grid.variant:
        settings = params.settings(variant)
        parts = {name: asdict(getattr(settings, name)) for name in OF_A_STEP}
        text = json.dumps(parts | shared, sort_keys=True)
        digests[variant] = hashlib.sha256(text.encode()).hexdigest()[:16]
    return digests


def keep(name: str, throughput: "pd.DataFrame", digests: Mapping[str, str]) -> None:
    """Write a machine's file."""
    table = throughput.assign(**{TIMED: throughput["variant"].map(digests)})
    files.write_csv(files.MACHINES / f"{name}.csv", table)


def read(digests: Mapping[str, str]) -> "dict[str, pd.DataFrame]":
    """The timings of all machines by name, of what is timed here; none of a machine where
    something else was.

    Raises InputError for a file that is none of a machine's.
    """
    import pandas as pd

    tables = {}
    for path in sorted(files.MACHINES.glob("*.csv")):
        table = pd.read_csv(path)
        rule = "was not written by `python -m pipeline.machines add`"
        require({TIMED, "variant", "batch_size"} <= set(table), str(path), list(table)[:3], rule)
        is_same = table[TIMED] == table["variant"].map(digests)
        tables[path.stem] = table[is_same].drop(columns=TIMED)
    return tables
