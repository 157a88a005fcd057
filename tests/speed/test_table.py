"""Which numbers of a timing go into the tables."""

from collections.abc import Callable, Collection, Mapping

import pytest
import torch

from pipeline.params.protocol import Throughput
from pipeline.speed import blocks, table
from pipeline.speed.blocks import Timing
from pipeline.speed.cases import Case
from pipeline.speed.table import Key

CPU = torch.device("cpu")
HOW = Throughput(blocks=3)


def key(batch_size: int, in_grid: bool = True) -> Key:
    return "baseline", Case(batch_size, in_grid=in_grid), "step"


def test_what_lost_its_threads_is_compared_in_new_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """The trap: seconds of other rounds, in which the machine may have been slower. One size
    loses its threads at first, and another only in the new rounds."""
    calls: list[Mapping[Key, int]] = []

    def measure(
        steps: Mapping[Key, object], counts: Mapping[Key, int], *rest: object
    ) -> dict[Key, Timing]:
        calls.append(counts)
        compared = rest[4]
        assert isinstance(compared, Collection)
        assert set(compared) == {key(4), key(128), key(512)}
        blocks_of = (float(len(calls)),) * HOW.blocks
        lost = {key(512)} if len(calls) == 1 else {key(128)}
        known = [each for each in steps if counts[each] == 1 or each not in lost]
        return {each: Timing(blocks_of, 1) for each in known}

    monkeypatch.setattr(blocks, "measure", measure)
    counts = {key(4): 1, key(128): 2, key(512): 2, key(7, in_grid=False): 1}
    functions: dict[Key, Callable[[], None]] = dict.fromkeys(counts, lambda: None)
    found = table.times(functions, counts, HOW, CPU, 0, lambda _: None)
    grid = {key(4): 1, key(128): 2, key(512): 1}
    assert calls == [counts, grid, grid | {key(128): 1}]
    assert {each: timing.median for each, timing in found.items()} == {
        key(4): 3.0, key(128): 3.0, key(512): 3.0, key(7, in_grid=False): 1.0,
    }  # fmt: skip


def test_a_pass_after_the_training_compares_its_own_rounds() -> None:
    """A round that was slow throughout is in the quartiles, not in what the sizes differ by."""
    slow = (1.0, 1.0, 1.0, 3.0, 3.0)
    timings = {
        ("baseline", size): Timing(tuple(seconds * level for level in slow), 1)
        for size, seconds in ((4, 0.001), (8, 0.002))
    }
    found = table.retimed({"baseline": "baseline", "again": "baseline"}, timings)
    assert found["variant"].tolist() == ["baseline", "baseline", "again", "again"]
    assert found["seconds_per_step"].tolist() == pytest.approx([0.001, 0.002] * 2)
    assert found["seconds_per_step_q75"].tolist() == pytest.approx([0.003, 0.006] * 2)
    assert (found["blocks"] == 5).all()
