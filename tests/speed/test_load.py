"""Other work on the machine is seen."""

from pathlib import Path

import pytest

from pipeline.speed import load


def test_what_others_use_is_what_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stat = tmp_path / "stat"
    monkeypatch.setattr(load, "STAT", stat)
    ticks = load.os.sysconf("SC_CLK_TCK")
    monkeypatch.setattr(load.time, "monotonic", lambda: 10.0)
    monkeypatch.setattr(load.time, "process_time", lambda: 8.0)
    watch = load.Watch(wall=0.0, own=0.0, everyone=0.0)
    stat.write_text(f"cpu {20 * ticks} 0 {3 * ticks} 999 9 0 0 0\ncpu0 0\n")
    assert watch.other_cores() == pytest.approx(1.5)


def test_where_the_system_does_not_say_it_is_not_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load, "STAT", tmp_path / "nothing")
    assert load.Watch().other_cores() != load.Watch().other_cores()
