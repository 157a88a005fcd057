"""Packs in slices over the nodes of a cluster."""

from pathlib import Path
from typing import Any

import pytest

from makers.data import dataset
from makers.packs import MODELS, assert_same_bits, make_job, make_pack
from pipeline.executors.executor import Work
from pipeline.executors.processes import OnDone
from pipeline.lanes import elsewhere
from pipeline.lanes.checkpoint import Store
from pipeline.lanes.job import Job
from pipeline.lanes.pieces import train_pieces
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


@pytest.mark.parametrize(
    ("at_once", "seeds", "started"),
    [(2, (0,), 1), (2, (0, 1, 2), 1), (2, (0, 1, 2, 3, 4), 2), (1, (0, 1, 2, 3, 4), 5)],
)
def test_fewer_cells_than_were_planned_for_are_fewer_slices(
    at_once: int,
    seeds: tuple[int, ...],
    started: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As rates are that are added to a grid; cells that train alone may go to as many nodes."""
    monkeypatch.setattr(elsewhere, "loaded", lambda _pack, _device: dataset())
    monkeypatch.setattr(elsewhere.files, "of_trainings", lambda _params: [])
    pack, data = make_pack((0.03,), seeds, model=MODELS["both"]), dataset()
    cluster = Here()
    plan = Plan("traced", "", 8, at_once, 1)
    job = Job(data, plan, lambda _: None, Store(tmp_path, "train"))
    found = elsewhere.spread(pack, job, cluster, Params(), "train", lambda: False)
    assert cluster.started == started
    expected = train_pieces(pack, make_job(data, lanes_at_once=at_once))
    assert_same_bits(found, expected)
