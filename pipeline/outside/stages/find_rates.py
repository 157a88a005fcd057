"""Finders of learning rates would have to see inside the program: none is run.

Writes results/range_tests.csv, empty.
"""

from pipeline.errors import command
from pipeline.outside import unmeasured
from pipeline.workspace import durations, files


@command
def main() -> None:
    """Write the empty table."""
    unmeasured.write("range_tests")
    durations.record(files.RESULTS / "range_tests.csv")


if __name__ == "__main__":
    main()
