"""Keep the timings of this machine under a name, for a report to compare machines by.

    dvc repro -f throughput
    python -m pipeline.machines add NAME

Writes machines/NAME.csv. Steps do not hang on the machine, seconds do: every report after that
recommends for this machine too, from the same trainings.
"""

import json
import subprocess
import sys
from collections.abc import Mapping

import pandas as pd

from pipeline.errors import InputError, command, require
from pipeline.outside import timing
from pipeline.params.load import Params, load_params
from pipeline.params.protocol import HERE
from pipeline.training import device
from pipeline.workspace import files, machines

USAGE = "python -m pipeline.machines add NAME"


def check_is_current() -> None:
    """Raise an InputError where the timings are none of the present settings and code."""
    asked = ["dvc", "status", "--json", "throughput"]
    answer = subprocess.run(asked, check=False, capture_output=True, text=True)
    if answer.returncode:
        raise InputError(f"dvc status: {' '.join(answer.stderr.split())}")
    changed = json.loads(answer.stdout or "{}")
    if changed:
        stages = ", ".join(sorted(changed))
        rule = "`dvc repro -f throughput` measures it"
        raise InputError(f"results/throughput.csv: is older than what it is of ({stages}); {rule}")


def check_is_of_this_machine(params: Params, table: pd.DataFrame) -> None:
    """Raise an InputError where the timings came here from another machine, by DVC's cache."""
    here: Mapping[str, object] = timing.machine(here=True)
    if params.trainer.name == "lanes":
        here = device.describe(device.device(params.impl.device))
    for name in ("processor", "cores"):
        measured, rule = table[name].iloc[0], f"is not the {here[name]} of this machine"
        key = f"results/throughput.csv: {name}"
        require(measured == here[name], key, measured, f"{rule}; `dvc repro -f throughput`")


@command
def main() -> None:
    """Check the name, copy the timings, say whose they are."""
    words = sys.argv[1:]
    require(len(words) == 2 and words[0] == "add", "command", " ".join(words), f"is not: {USAGE}")
    name = words[1]
    rule = "is not made of letters, digits, - and _"
    require(name.replace("-", "").replace("_", "").isalnum(), "NAME", name, rule)
    require(name != HERE, "NAME", name, "is the machine that made the report")
    path = files.RESULTS / "throughput.csv"
    if not path.is_file():
        raise InputError(f"{path}: missing; `dvc repro -f throughput` measures it")
    check_is_current()
    params, table = load_params(files.PARAMS), pd.read_csv(path)
    rule = "is for timings: runs that exist were timed where they ran"
    require(params.trainer.name != "runs", "trainer.name", "runs", rule)
    check_is_of_this_machine(params, table)
    data = json.loads((files.PROCESSED / "summary.json").read_text())
    machines.keep(name, table, machines.timed(params, data))
    print(f"machines/{name}.csv: {len(table)} timings of {table['processor'].iloc[0]}")


if __name__ == "__main__":
    main()
