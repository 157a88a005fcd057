"""Steps are timed once.

Writes results/retimed.csv, empty.
"""

from pipeline.errors import command
from pipeline.outside import unmeasured
from pipeline.workspace import durations, files


@command
def main() -> None:
    """Write the empty table."""
    unmeasured.write("retimed")
    durations.record(files.RESULTS / "retimed.csv")


if __name__ == "__main__":
    main()
