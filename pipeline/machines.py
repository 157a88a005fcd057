"""Keep the timings of this machine under a name, for a report to compare machines by.

    dvc repro -f throughput
    python -m pipeline.machines add NAME

Writes machines/NAME.csv. Steps do not hang on the machine, seconds do: every report after that
recommends for this machine too, from the same trainings.
"""

import json
import subprocess
import sys

import pandas as pd

from pipeline.errors import InputError, command, require
from pipeline.params.load import load_params
from pipeline.params.protocol import HERE
from pipeline.workspace import files, machines

USAGE = "python -m pipeline.machines add NAME"


def check_is_current() -> None:
    """Raise an InputError where the timings are none of the present settings and code."""
    asked = ["dvc", "status", "--json", "throughput"]
    answer = subprocess.run(asked, check=False, capture_output=True, text=True)
    changed = json.loads(answer.stdout or "{}") if answer.returncode == 0 else {"": answer.stderr}
    if changed:
        stages = ", ".join(sorted(changed))
        rule = "`dvc repro -f throughput` measures it"
        raise InputError(f"results/throughput.csv: is older than what it is of ({stages}); {rule}")


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
        raise InputError(f"{path}: missing; `dvc repro throughput` measures it")
    check_is_current()
    table = pd.read_csv(path)
    data = json.loads((files.PROCESSED / "summary.json").read_text())
    machines.keep(name, table, machines.timed(load_params(files.PARAMS), data))
    print(f"machines/{name}.csv: {len(table)} timings of {table['processor'].iloc[0]}")


if __name__ == "__main__":
    main()
