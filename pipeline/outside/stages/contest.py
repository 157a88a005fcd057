"""No more seeds are trained than were asked for.

Writes results/: contest.parquet, contest_lanes.parquet, both empty.
"""

import pandas as pd

from pipeline.errors import command
from pipeline.workspace import durations, files


@command
def main() -> None:
    """Write the empty tables."""
    for name in ("contest", "contest_lanes"):
        files.write_parquet(files.RESULTS / f"{name}.parquet", pd.DataFrame())
    durations.record(files.RESULTS / "contest_lanes.parquet")


if __name__ == "__main__":
    main()
