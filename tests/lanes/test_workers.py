"""Processes: their number changes no bit, and their death is told."""

import os
import signal
import sys
from pathlib import Path

import pytest
import torch

from makers.data import MakeData, dataset
from makers.packs import assert_close, assert_same_bits, make_job, make_pack, plain
from makers.processes import fresh
from pipeline.errors import InputError
from pipeline.lanes import trainings, workers
from pipeline.lanes.job import Job
from pipeline.lanes.plan import Plan
from pipeline.params.load import Params
from pipeline.params.network import Model
from pipeline.params.protocol import Impl
from pipeline.training.pack import Pack, Trained

pytestmark = pytest.mark.slow


SMALL = Model("mlp", [8, 5], norm="batch", dropout=0.2)
LARGE = Model("mlp", [256, 256])
"""Its lanes together are large enough for operations that several threads would share."""


def trained_by(count: int, model: Model = SMALL) -> Trained:
    pack = make_pack(model=model)
    heard: list[int] = []
    job = Job(dataset(), Plan("traced", "", count, 2, 1), heard.append)
    trained = workers.spread(pack, job)
    assert sum(heard) == pack.steps * len(pack.cells)
    return trained


def alone(count: int) -> Trained:
    plan = Plan("traced", "", count, 2, 1)
    return workers.spread(make_pack().part([0]), Job(dataset(), plan, lambda _: None))


def each_alone(count: int, cells: int) -> Trained:
    plan = Plan("traced", "", count, 1, 1)
    pack = make_pack(model=SMALL).part(range(cells))
    return workers.spread(pack, Job(dataset(), plan, lambda _: None))


def start_threads() -> None:
    """Work that two intra-op threads share, as scaling a large data set does."""
    torch.set_num_threads(2)
    torch.rand(1 << 20).double().mul_(2)


def trained_beside_threads() -> Trained:
    start_threads()
    return trained_by(2, LARGE)


def planned() -> tuple[str, int]:
    start_threads()
    plan = workers.planned(make_pack(model=LARGE), dataset(), Impl(workers=3))
    return plan.engine, plan.workers


def imported_by(engine: str) -> bool:
    """Whether torch's compiler is there before processes train, so that none has to import it."""
    plan = Plan(engine, "", 2, 2, 1)
    workers.spread(make_pack(), Job(dataset(), plan, lambda _: None))
    return "torch._dynamo" in sys.modules


def killed(folder: Path) -> str:
    """What a training says whose second process is killed."""
    os.chdir(folder)
    real = workers.train_pieces

    def train_pieces(pack: Pack, job: Job) -> Trained:
        if pack.cells[0].seed == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(pack, job)

    workers.train_pieces = train_pieces  # type: ignore[assignment]
    store = make_job(dataset()).store
    try:
        params = Params(impl=Impl(workers=2))
        trainings.train(make_pack(), dataset(), params, store, "train here 8")
    except InputError as error:
        return str(error)
    return "nothing"


def test_the_number_of_processes_changes_no_bit() -> None:
    one, two, three = (fresh(trained_by, count) for count in (1, 2, 3))
    assert_same_bits(two, one)
    assert_same_bits(three, one)


def test_a_lone_cell_needs_no_second_process() -> None:
    """Rates are added by the plan of the grid, and may be fewer than it has processes."""
    assert_same_bits(fresh(alone, 3), fresh(alone, 1))


def test_lanes_that_train_alone_have_the_bits_of_one(make_data: MakeData) -> None:
    three = fresh(each_alone, 3, 3)
    assert_same_bits(fresh(each_alone, 1, 3), three)
    assert_same_bits(fresh(each_alone, 1, 1), three.part([0]))
    assert_close(three, plain(make_pack(model=SMALL).part(range(3)), make_data()))


def test_threads_of_the_parent_stay_there() -> None:
    assert_same_bits(fresh(trained_beside_threads), fresh(trained_by, 1, LARGE))


@pytest.mark.parametrize(("engine", "imported"), [("loop", True), ("traced", False)])
def test_what_every_process_would_import_is_imported_before(engine: str, imported: bool) -> None:
    assert fresh(imported_by, engine) is imported


def test_a_plan_is_made_elsewhere() -> None:
    assert fresh(planned) == ("traced", 3)


def test_a_killed_process_of_a_training_is_told(tmp_path: Path) -> None:
    assert fresh(killed, tmp_path) == (
        "train here 8: a worker process was killed by SIGKILL before it was done; "
        "run again to go on from its checkpoint"
    )
