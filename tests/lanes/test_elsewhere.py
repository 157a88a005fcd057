"""Packs in slices over the nodes of a cluster."""

from pathlib import Path
from typing import Any

import pytest

from makers.data import dataset
from makers.packs import assert_same_bits, lanes, make_pack
from pipeline.executors.executor import Work
from pipeline.executors.processes import OnDone
from pipeline.lanes import elsewhere
from pipeline.lanes.checkpoint import Store
from pipeline.lanes.job import Job
from pipeline.lanes.plan import Plan
from pipeline.params.load import Params


class Here:
    """A cluster of many nodes, all of them this process."""

    def slots(self) -> int:
        return 16

    def run(self, work: Work, on_done: OnDone) -> list[Any]:
        self.on_done, self.started = on_done, len(work.tasks)
        return [task(self) for task in work.tasks]

    def keep(self, path: Path) -> None:
        """A checkpoint."""

    def fetch(self, path: Path) -> None:
        """There is none."""


@pytest.mark.parametrize(("seeds", "started"), [((0,), 1), ((0, 1, 2), 1), ((0, 1, 2, 3, 4), 2)])
def test_fewer_cells_than_were_planned_for_are_fewer_slices(
    seeds: tuple[int, ...], started: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As rates are that are added to a grid."""
    monkeypatch.setattr(elsewhere, "loaded", lambda _pack, _device: dataset())
    monkeypatch.setattr(elsewhere.files, "of_trainings", lambda _params: [])
    pack, data, cluster = make_pack((0.03,), seeds), dataset(), Here()
    job = Job(data, Plan("traced", "", 8, 2, 1), lambda _: None, Store(tmp_path, "train"))
    found = elsewhere.spread(pack, job, cluster, Params(), "train", lambda: False)
    assert cluster.started == started
    assert_same_bits(found, lanes(pack, data))
