"""How many calls of a program have room beside each other."""

import subprocess
import sys

import pytest

from pipeline.outside import room
from pipeline.outside.room import calls_at_once
from pipeline.outside.trainings import Timed

MEGABYTE = 2**20
BURN = "import time; end = time.process_time() + 0.3\nwhile time.process_time() < end: pass"


def timed(cores: float, megabytes: int = 1) -> Timed:
    return Timed(0.01, 1.0, cores, megabytes * MEGABYTE)


@pytest.mark.parametrize(
    ("cores", "used", "at_once"),
    [(2, 1.1, 2), (2, 1.9, 1), (16, 1.0, 16), (16, 4.0, 4), (16, 30.0, 1), (8, 0.1, 1), (8, 0, 1)],
)
def test_calls_keep_the_cores_busy(cores: int, used: float, at_once: int) -> None:
    assert calls_at_once([timed(used), timed(used / 2)], cores, 2**40) == at_once


def test_they_fit_in_the_memory() -> None:
    """The largest of them, and one call even where it does not."""
    calls = [timed(1.0, 100), timed(1.0, 300)]
    assert calls_at_once(calls, 16, 1500 * MEGABYTE) == 4
    assert calls_at_once(calls, 16, 200 * MEGABYTE) == 1


def test_one_has_room_beside_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "has_gpu", lambda: True)
    assert room.here([timed(0.01)]) == 1


def test_what_a_program_uses_is_the_system_s_own_count() -> None:
    """In a process of its own, for that counts all that it has started."""
    child = f"kept = bytearray(800 * 2**20)\n{BURN}"
    said = f"""
import subprocess, sys
from pipeline.outside.room import Used
subprocess.run([sys.executable, "-c", "pass"], check=True)
before = Used.so_far()
subprocess.run([sys.executable, "-c", {child!r}], check=True)
used = Used.so_far().since(before)
print(before.peak_bytes, used.processor_seconds, used.peak_bytes)
"""
    ran = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True)
    peak_before, seconds, peak = map(float, ran.stdout.split())
    assert 0.3 <= seconds < 5.0
    assert peak_before < 800 * MEGABYTE < peak
