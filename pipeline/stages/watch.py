"""Note what a file or folder of the program that trains holds.

    python -m pipeline.stages.watch FILE

DVC watches lists of any length only so: one stage for each file, and what they write as one folder.
Writes results/watched/FILE.md5.
"""

import sys
from pathlib import Path

from pipeline.errors import command, require
from pipeline.workspace import files


@command
def main() -> None:
    """Write the digest of all that the file or folder holds."""
    require(len(sys.argv) == 2, "FILE", " ".join(sys.argv[1:]), "is not one file")
    files.write_text(files.watched(sys.argv[1]), f"{files.digest([Path(sys.argv[1])])}\n")


if __name__ == "__main__":
    main()
