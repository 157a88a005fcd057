"""A time belongs to what a stage wrote, not to where it lies."""

from itertools import chain
from pathlib import Path

import pytest

from pipeline.params.load import Params
from pipeline.params.protocol import Grid
from pipeline.workspace import durations, files


def test_a_time_is_known_for_the_same_content_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    written = Path("results.csv")
    written.write_text("a\n1\n")
    assert durations.recorded(written) is None
    durations.record(written)
    first = durations.recorded(written)
    assert first is not None
    assert first > 0
    written.write_text("a\n2\n")  # another study's
    assert durations.recorded(written) is None
    written.write_text("a\n1\n")  # restored
    assert durations.recorded(written) == first


def test_every_pack_of_the_training_has_its_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = Params(grid=Grid(["baseline"], [4, "full"], [0.1], 1))
    for place, written in enumerate(chain(*durations.written_by(config).values())):
        files.write_text(written, str(place))
    durations.record(files.run_folder("baseline", "full") / "lanes.parquet")
    seconds = durations.stage_seconds(config)
    assert list(seconds) == [
        "preprocess",
        "throughput",
        "find_rates",
        "train",
        "confirm",
        "contest",
        "retime",
        "evaluate",
    ]
    assert seconds["preprocess"] == (None,)
    assert seconds["train"][0] is None
    assert seconds["train"][1] is not None
