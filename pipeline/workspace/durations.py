"""How long stages took, for the page; kept outside DVC's outputs, which know no clock.

A time belongs to what the stage wrote, by its content: what DVC restores or another machine made
has none here.
"""

import hashlib
import json
import time
from pathlib import Path

import psutil

from pipeline.params.load import Params
from pipeline.workspace import files

SECONDS = Path(".cache/stage_seconds")


def written_by(params: Params) -> dict[str, list[Path]]:
    """A file that speaks for each stage's outputs; training has one for each pack."""
    return {
        "preprocess": [files.PROCESSED / "summary.json"],
        "throughput": [files.RESULTS / "throughput.csv"],
        "find_rates": [files.RESULTS / "range_tests.csv"],
        "train": [files.run_folder(*pack) / "lanes.parquet" for pack in params.packs()],
        "confirm": [files.RESULTS / "selection.csv"],
        "contest": [files.RESULTS / "contest_lanes.parquet"],
        "retime": [files.RESULTS / "retimed.csv"],
        "evaluate": [files.RESULTS / "evaluation.csv"],
    }


def place(written: Path) -> Path:
    """Where the time of a file's stage is kept."""
    digest = hashlib.md5(written.read_bytes(), usedforsecurity=False).hexdigest()
    return SECONDS / f"{digest}.json"


def record(written: Path) -> None:
    """Note the seconds since this process began, as the time of the stage that wrote a file."""
    seconds = time.time() - psutil.Process().create_time()
    files.write_json(place(written), {"seconds": round(seconds, 1)})


def recorded(written: Path) -> float | None:
    """The seconds of the stage that wrote a file; None where it did not run here."""
    kept = place(written)
    return json.loads(kept.read_text())["seconds"] if kept.is_file() else None


def stage_seconds(params: Params) -> dict[str, tuple[float | None, ...]]:
    """Each stage's seconds, one for each pack of the training."""
    return {
        stage: tuple(recorded(written) for written in all_written)
        for stage, all_written in written_by(params).items()
    }
